"""Aborts calls within a second when their client disconnects or their session ends.

One sweep checks all calls in flight: their sockets with `poll`, because a watcher per request would cost two
`epoll_ctl` each, and the sessions of streaming responses.
"""

from __future__ import annotations

import logging
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from math import inf
from time import time

import gevent

from gateway.scope import Principal
from gateway.transport import Connection, unpatched_poll

log = logging.getLogger("gateway.proxy")

DISCONNECT_SWEEP_SECONDS = 0.5
_GONE = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class InFlightCall:
    """A call in flight for one client; `abandoned` when the client has disconnected or may not read on. `reader` is
    the Principal of a streaming response, until it has ended or its time is up (`reads_until`, in seconds since the
    epoch)."""

    __slots__ = ("_connection", "abandoned", "client", "reader", "reads_until")

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.abandoned = False
        self.reader: Principal | None = None
        self.reads_until = inf
        self._connection: Connection | None = None

    def attach(self, connection: Connection) -> None:
        """This connection now serves the call."""
        self._connection = connection
        if self.abandoned:
            connection.abort()

    def detach(self) -> None:
        """The connection no longer serves the call, and may serve another one."""
        self._connection = None

    def abandon(self) -> None:
        """The client has disconnected: a greenlet waiting on the connection reads its end."""
        self.abandoned = True
        if self._connection is not None:
            self._connection.abort()

    def cut(self) -> None:
        """The client may not read further: its connection is aborted by the greenlet that writes to it, or here if the
        client does not read."""
        if self.abandoned:
            with suppress(OSError):
                self.client.shutdown(socket.SHUT_RDWR)
        self.abandon()


class DisconnectMonitor:
    """Checks every DISCONNECT_SWEEP_SECONDS which clients of calls in flight have disconnected, or may not read further
    because their session has ended, and abandons those calls."""

    def __init__(self, is_over: Callable[[Principal], bool], leeway: float) -> None:
        """`is_over`: whether the session of this reader has ended; an event stream continues for `leeway` seconds after
        its token has expired."""
        self._is_over = is_over
        self._leeway = leeway
        self._calls: set[InFlightCall] = set()
        self._sweeper: gevent.Greenlet[[], None] | None = None

    def start(self) -> None:
        self._sweeper = gevent.spawn(self._sweep)

    def close(self, deadline: float) -> None:
        if self._sweeper is not None:
            self._sweeper.kill()

    def watch(self, client: socket.socket) -> InFlightCall:
        """Register a call for the client on this socket; `forget` it at its end."""
        call = InFlightCall(client)
        self._calls.add(call)
        return call

    def streams(self, call: InFlightCall, reader: Principal, *, lapses: bool) -> None:
        """The response of this call is streamed to this reader while the session is active; if it `lapses`, only until
        the token expires."""
        call.reader = reader
        if lapses:
            call.reads_until = reader.expires + self._leeway

    def forget(self, call: InFlightCall) -> None:
        """The call has ended."""
        call.detach()
        self._calls.discard(call)

    def _sweep(self) -> None:
        while True:
            gevent.sleep(DISCONNECT_SWEEP_SECONDS)
            try:
                self._look()
                self._cut_off()
            except Exception:
                log.exception("detecting disconnected clients failed")  # a bug; continue

    def _look(self) -> None:
        if not self._calls:
            return
        poll = unpatched_poll()
        calls = {call.client.fileno(): call for call in self._calls}
        for number in calls.keys() - {-1}:
            poll.register(number, _GONE)
        for number, _ in poll.poll(0):
            calls[number].abandon()

    def _cut_off(self) -> None:
        now = time()
        for call in [call for call in self._calls if call.reader is not None]:
            reader = call.reader
            if reader is not None and (now >= call.reads_until or self._is_over(reader)):
                if not call.abandoned:
                    log.info("Proxy: a stream ends with its session", extra={"userId": reader.user_id})
                call.cut()
