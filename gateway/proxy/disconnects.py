"""Calls that have to end before their time, within a second: of clients that leave, of sessions that end.

One sweep for all calls under way: of `poll`, as a watcher per request would cost two `epoll_ctl` each, and of the
sessions of responses that stream.
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
    """A call under way for one client; `abandoned` once the client has left, or may have no more of the response.
    `reader` is who a response that streams is for, until it has ended or its time is up (`reads_until`, in seconds
    since the epoch)."""

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
        """The connection serves it no longer, and may serve another."""
        self._connection = None

    def abandon(self) -> None:
        """The client has left: whoever waits on the connection reads its end."""
        self.abandoned = True
        if self._connection is not None:
            self._connection.abort()

    def cut(self) -> None:
        """The client may have no more: its connection is aborted by whoever writes to it, by us where the client does
        not read."""
        if self.abandoned:
            with suppress(OSError):
                self.client.shutdown(socket.SHUT_RDWR)
        self.abandon()


class DisconnectMonitor:
    """Looks every DISCONNECT_SWEEP_SECONDS which clients of the calls under way have left, or may have no more of a
    response that streams because their session is over, and abandons those calls."""

    def __init__(self, is_over: Callable[[Principal], bool], leeway: float) -> None:
        """`is_over`: whether the session of this reader was ended; an event stream goes on for `leeway` seconds after
        its token has lapsed."""
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
        """A call for the client on this socket; `forget` it when it is over."""
        call = InFlightCall(client)
        self._calls.add(call)
        return call

    def streams(self, call: InFlightCall, reader: Principal, *, lapses: bool) -> None:
        """The response of this call streams to this reader, as long as the session goes on; one that `lapses` not
        longer than the token is good."""
        call.reader = reader
        if lapses:
            call.reads_until = reader.expires + self._leeway

    def forget(self, call: InFlightCall) -> None:
        """The call is over."""
        call.detach()
        self._calls.discard(call)

    def _sweep(self) -> None:
        while True:
            gevent.sleep(DISCONNECT_SWEEP_SECONDS)
            try:
                self._look()
                self._cut_off()
            except Exception:
                log.exception("detecting disconnected clients failed")  # a bug; looking goes on all the same

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
