"""The gunicorn worker: what gunicorn leaves open about slow, silent, broken and leaving clients, and about the end.

gunicorn's parser and signals are used as they are. What a connection is served by is in `conversation`; this class
begins, stops and replaces a worker.
"""

from __future__ import annotations

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
from gateway.worker.lingering import TOTAL_SECONDS
from gateway.worker.listening import Listener, secured
from gateway.worker.places import Places, Waiting
from gateway.worker.serving import CachedConfig, Serving
from gateway.worker.shares import Shares
from gateway.worker.turns import Turns

WAITING_AT_STOP_SECONDS = {Waiting.FIRST: 1.0, Waiting.NEXT: 1.0, Waiting.HEAD: 3.0, Waiting.END: 1.0}
"""For what a connection waits for while the worker stops. One that was answered a moment ago is in use: its client may
have sent another request, which is answered, and told that it was the last."""

CLOSE_SECONDS = 5.0
"""For the engines to flush and end."""

MARGIN_SECONDS = 2.0
"""Of the time to stop, before the arbiter kills: a second of it to end what is still under way."""


class GatewayWorker(GeventWorker):
    """A gevent worker that serves one app whose `extensions["gateway"]` has `start`, `drain` and `close`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.alive: bool
        self.cfg: Any

    def init_process(self) -> None:
        self._stopping = Signal()
        self._shares = Shares(self.age)
        self.cfg = CachedConfig(self.cfg)
        super().init_process()

    def handle_exit(self, sig: Any, frame: Any) -> None:
        super().handle_exit(sig, frame)
        self._stopping.set()

    def run(self) -> None:
        """Serve until told to stop, then take no more connections, finish what is under way, end the engines."""
        engines = self.wsgi.extensions["gateway"]
        try:
            engines.start()
        except StartFault as fault:
            self.log.error("a worker cannot start: %s", fault)
            gevent.sleep(1.0)  # gunicorn tries again at once
            sys.exit(1)
        places = Places(room(self.worker_connections))
        self._serving = Serving(self, places, Turns())
        self._tls = ssl_context(self.cfg) if self.cfg.is_ssl else None
        listeners = self._listen(places)
        seconds = {
            Waiting.FIRST: HEAD_SECONDS,
            Waiting.NEXT: self.cfg.keepalive,
            Waiting.HEAD: HEAD_SECONDS + 1.0,  # the reader has its own, and answers
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

    def _listen(self, places: Places) -> list[Listener]:
        shares = self._shares if self.cfg.workers > 1 else None
        listeners = [Listener(sock, self.handle, places, shares) for sock in self.sockets]
        for listener in listeners:
            listener.start()
        return listeners

    def _drain(self, places: Places) -> None:
        """Let what is under way finish; what is not over in time is cut."""
        due = monotonic() + self.cfg.graceful_timeout - CLOSE_SECONDS - MARGIN_SECONDS
        while len(places) and monotonic() < due:
            places.close_late(WAITING_AT_STOP_SECONDS)
            self.notify()
            gevent.sleep(0.05)
        places.end()

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        """One connection, from accept to close; `listener` is the address that it came to."""
        if self._tls is not None:
            waiting = self._serving.places.waiting
            waiting[client] = monotonic(), Waiting.HEAD
            try:
                client = secured(client, self._tls, HEAD_SECONDS)
            except (OSError, gevent.GreenletExit):
                return  # no TLS, or too slow
            finally:
                waiting.pop(client, None)
        Conversation(self._serving, client, addr, listener).run()

    def count_request(self) -> None:
        """One more request; after `max_requests` another worker follows."""
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False
            self._stopping.set()
