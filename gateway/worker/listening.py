"""Accepts connections, balanced between the workers, and fair to existing connections."""

from __future__ import annotations

import errno
import logging
import socket
import ssl
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

import gevent
from gevent.server import StreamServer

from gateway.worker.places import Places
from gateway.worker.shares import Shares

log = logging.getLogger("gateway.worker")

DEFER_SECONDS = 0.003
"""The time for a worker with fewer connections to accept a new one."""

PAUSE_SECONDS = 0.1
"""The pause in accepting when no descriptor is left."""

LOG_PAUSE_SECONDS = 60.0

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

# A vanished peer is detected after a minute (the last of these three, or three probes without an answer), also during
# an idle response. Sockets inherit this from the listening one.
_KEEP_ALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 60_000}

Handle = Callable[[Any, socket.socket, Any], None]
"""Serves a connection: the listening address, the client's socket, the client's address."""


class Listener(StreamServer):
    """Accepts the connections of one socket, unless a worker with fewer connections accepts them first. If no
    descriptor is left, it closes the connection that has been idle longest and retries a little later:
    it neither spins nor gives up."""

    def __init__(self, sock: socket.socket, handle: Handle, places: Places, shares: Shares | None) -> None:
        """`shares`: those of the workers at this socket, None if there is only one."""
        sock.setblocking(True)
        watch_for_vanished(sock)
        self.max_accept = 16 if shares is None else 1
        self._places = places
        self._shares = shares
        self._taken_until = 0.0
        self._logged = -LOG_PAUSE_SECONDS
        super().__init__(sock, handle=partial(handle, sock.getsockname()), spawn=places.pool)

    def do_read(self) -> Any:
        """(a client's socket, its address), None if there is none."""
        self._places.make_room()
        if self._shares is not None and not self._is_mine(self._shares):
            return None
        try:
            return super().do_read()
        except OSError as fault:
            if fault.errno in _EXHAUSTED:
                self._wait_for_descriptors(fault)
            return None  # otherwise the client disconnected before it was accepted

    def _is_mine(self, shares: Shares) -> bool:
        """Whether to accept now; otherwise other workers have a moment to accept first."""
        count = len(self._places)
        shares.publish(count)
        now = monotonic()
        if now < self._taken_until or not shares.others_have_fewer(count):
            self._taken_until = 0.0
            return True
        self._taken_until = now + 3 * DEFER_SECONDS
        self._pause(DEFER_SECONDS)
        return False

    def _wait_for_descriptors(self, fault: OSError) -> None:
        self._places.close_longest()
        self._pause(PAUSE_SECONDS)
        if monotonic() - self._logged > LOG_PAUSE_SECONDS:
            self._logged = monotonic()
            log.error("no connection can be accepted for now: %s", fault.strerror)

    def _pause(self, seconds: float) -> None:
        self.stop_accepting()
        gevent.spawn_later(seconds, self._go_on)

    def _go_on(self) -> None:
        if self.started:
            self.start_accepting()

    def empty_queue(self) -> None:
        """Accept the connections that are already established: closing the socket would reset them."""
        self._shares = None  # without asking other workers
        self.stop_accepting()
        while (accepted := self.do_read()) is not None:
            self.do_handle(*accepted)
        self.close()


def watch_for_vanished(sock: socket.socket) -> None:
    """Let the system detect silent peers (RFC 1122 section 4.2.3.6, RFC 5482), if it can."""
    if sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE.items():
        if (option := getattr(socket, name, None)) is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def secured(client: socket.socket, context: ssl.SSLContext, seconds: float) -> ssl.SSLSocket:
    """The client's socket with TLS, whose handshake has a time-out in seconds. Raises OSError if it fails."""
    wrapped = context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
    try:
        with gevent.Timeout(seconds, TimeoutError()):
            wrapped.do_handshake()
    except BaseException:
        wrapped.close()
        raise
    return wrapped
