"""Clients that leave while a service works for them: the call ends within a second.

One sweep of `poll` for all calls under way; a watcher per request would cost two `epoll_ctl` each.
"""

from __future__ import annotations

import logging
import select
import socket

import gevent

from gateway.transport import Connection, unpatched_poll

log = logging.getLogger("gateway.proxy")

SWEEP_SECONDS = 0.5
_GONE = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class InFlightCall:
    """A call under way for one client; `abandoned` once the client has left."""

    __slots__ = ("_connection", "abandoned", "client")

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.abandoned = False
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


class DisconnectMonitor:
    """Looks every SWEEP_SECONDS which clients of the calls under way have left, and abandons those calls."""

    def __init__(self) -> None:
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

    def forget(self, call: InFlightCall) -> None:
        """The call is over."""
        call.detach()
        self._calls.discard(call)

    def _sweep(self) -> None:
        while True:
            gevent.sleep(SWEEP_SECONDS)
            try:
                self._look()
            except Exception:
                log.exception("disconnects not seen")  # a bug; looking goes on all the same

    def _look(self) -> None:
        if not self._calls:
            return
        poll = unpatched_poll()
        calls = {call.client.fileno(): call for call in self._calls}
        for number in calls.keys() - {-1}:
            poll.register(number, _GONE)
        for number, _ in poll.poll(0):
            calls[number].abandon()
