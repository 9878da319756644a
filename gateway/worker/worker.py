"""The gunicorn worker, with the handling of slow, silent, broken and disconnected clients, and of a stop, that gunicorn
lacks.

gunicorn's parser and signals are used unchanged. `conversation` serves a connection; this class starts, stops and
replaces a worker.
"""

from __future__ import annotations

import os
import socket
import sys
from time import monotonic
from typing import Any

import gevent
from gevent.event import Event as Signal
from gunicorn.sock import ssl_context
from gunicorn.workers.ggevent import GeventWorker

from gateway.errors import StartFault
from gateway.worker.conversation import HEAD_SECONDS, Conversation
from gateway.worker.descriptors import room
from gateway.worker.failed_starts import pause_after_failed_start, started
from gateway.worker.heartbeat import HeartbeatInMemory
from gateway.worker.lingering import TOTAL_SECONDS
from gateway.worker.listening import Listener, secured
from gateway.worker.places import Places, Waiting
from gateway.worker.serving import CachedConfig, Serving
from gateway.worker.shares import Shares
from gateway.worker.turns import Turns

WAITING_AT_STOP_SECONDS = {Waiting.FIRST: 1.0, Waiting.NEXT: 1.0, Waiting.HEAD: 3.0, Waiting.END: 1.0}
"""How long an idle connection is kept during a stop. A connection that was just used may carry another request, which
is answered with `Connection: close`."""

CLOSE_SECONDS = 5.0
"""The time for the engines to flush and close."""

MARGIN_SECONDS = 2.0
"""The rest of the time to stop, before the arbiter kills: one second of it is for cutting requests in flight."""


class GatewayWorker(GeventWorker):
    """A gevent worker that serves one app, a LeanFlask, whose `extensions["gateway"]` has `start`, `drain` and
    `close`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.alive: bool
        self.cfg: Any
        mask = os.umask(0o077)  # read by setting it
        os.umask(mask)
        try:
            super().__init__(*args, **kwargs)
        except (OSError, RuntimeError):  # no directory for the heartbeat, which gunicorn's own `Worker` makes last
            os.umask(mask)  # gunicorn has set its own for that, and leaves it where it fails
            self.tmp = HeartbeatInMemory(self.cfg)
            self.worker_connections = self.cfg.worker_connections

    def init_process(self) -> None:
        self._stopping = Signal()
        self._shares = Shares(self.age)
        self.cfg = CachedConfig(self.cfg)
        super().init_process()

    def handle_exit(self, sig: Any, frame: Any) -> None:
        super().handle_exit(sig, frame)
        self._stopping.set()

    def run(self) -> None:
        """Serve until a stop; then accept no more connections, finish the requests in flight, close the engines."""
        engines = self.wsgi.extensions["gateway"]
        try:
            engines.start()
        except StartFault as fault:
            self.log.error("a worker cannot start: %s", fault)
            self._pause(pause_after_failed_start())
            sys.exit(1)
        started()
        places = Places(room(self.worker_connections))
        self._serving = Serving(self, places, Turns())
        self._tls = ssl_context(self.cfg) if self.cfg.is_ssl else None
        listeners = self._listen(places)
        seconds = {
            Waiting.FIRST: HEAD_SECONDS,
            Waiting.NEXT: self.cfg.keepalive,
            Waiting.HEAD: HEAD_SECONDS + 1.0,  # the reader has its own time-out, and answers
            Waiting.END: TOTAL_SECONDS + 1.0,
        }
        while self.alive:
            self.notify()
            places.close_late(seconds)
            self._shares.publish(len(places))
            self._stopping.wait(1.0)
        engines.drain()
        self._shares.leave()
        for listener in listeners:
            listener.empty_queue()
        self._drain(places)
        engines.close(monotonic() + CLOSE_SECONDS)

    def _pause(self, seconds: float) -> None:
        """Wait for so long, or for a stop."""
        due = monotonic() + seconds
        while self.alive and monotonic() < due:
            self.notify()
            self._stopping.wait(min(1.0, seconds))

    def _listen(self, places: Places) -> list[Listener]:
        shares = self._shares if self.cfg.workers > 1 else None
        listeners = [Listener(sock, self.handle, places, shares) for sock in self.sockets]
        for listener in listeners:
            listener.start()
        return listeners

    def _drain(self, places: Places) -> None:
        """Wait for the requests in flight; those that do not end in time are cut."""
        due = monotonic() + self.cfg.graceful_timeout - CLOSE_SECONDS - MARGIN_SECONDS
        while len(places) and monotonic() < due:
            places.close_late(WAITING_AT_STOP_SECONDS)
            self.notify()
            gevent.sleep(0.05)
        places.end()

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        """Serve one connection, from accept to close; `listener` is the address that it was accepted on."""
        if self._tls is not None:
            waiting = self._serving.places.waiting
            waiting[client] = monotonic(), Waiting.HEAD
            try:
                client = secured(client, self._tls, HEAD_SECONDS)
            except (OSError, gevent.GreenletExit):
                return  # invalid TLS, or too slow
            finally:
                waiting.pop(client, None)
        Conversation(self._serving, client, addr, listener).run()

    def count_request(self) -> None:
        """Count a request; after `max_requests` another worker replaces this one."""
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False
            self._stopping.set()
