"""The pool of connections to one origin."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable
from math import inf
from time import monotonic

from gateway.transport.connect import connect, handshake
from gateway.transport.connections import RETIRE_SECONDS, Connection, unpatched_poll
from gateway.transport.resolver import Address, Resolver

KEPT = 1000
"""Idle connections kept per origin."""


class Origin:
    """The connections to one scheme, host and port."""

    def __init__(
        self,
        address: tuple[str, str, int],
        tls: ssl.SSLContext,
        resolver: Resolver,
        watch: Callable[[], None] = lambda: None,
    ) -> None:
        """`address` is scheme, host and port; `watch` is called whenever a connection was made, and has `expire_late`
        and `drop_stale` called from then on."""
        self._scheme, self._host, self._port = address
        self._tls = tls
        self._resolver = resolver
        self._watch = watch
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._good: Address | None = None

    def connection(self, timeout: float, *, fresh: bool = False) -> Connection:
        """A usable kept connection, otherwise (or if `fresh`) a new one.

        `timeout`, in seconds, bounds name resolution, connect and TLS handshake together. Raises ConnectError.
        """
        while self._idle and not fresh:
            connection = self._idle.pop()
            if connection.is_quiet():
                break
            connection.close()
        else:
            connection = Connection(self._connect(timeout))
            self._watch()
        self._busy.add(connection)
        return connection

    def drop(self, connection: Connection) -> None:
        """Close a connection that was given out."""
        self._busy.discard(connection)
        connection.close()

    def keep(self, connection: Connection, idle_seconds: float = RETIRE_SECONDS) -> None:
        """Return a connection whose response was read to its end. `idle_seconds`: how long the peer keeps it."""
        self._busy.discard(connection)
        connection.due = inf
        now = monotonic()
        if idle_seconds < RETIRE_SECONDS:
            connection.retire_at = min(connection.retire_at, now + idle_seconds)
        if len(self._idle) < KEPT and now < connection.retire_at and not connection.aborted:
            self._idle.append(connection)
        else:
            connection.close()

    def expire_late(self, now: float) -> None:
        """Abort the calls whose next byte was due before `now`."""
        for connection in [busy for busy in self._busy if busy.due < now]:
            connection.expire()

    def drop_stale(self) -> None:
        """Close the idle connections that the peer has closed, or that have been kept for long enough."""
        if not self._idle:
            return
        poll = unpatched_poll()
        for connection in self._idle:
            poll.register(connection.sock.fileno(), select.POLLIN)
        said = {number for number, _ in poll.poll(0)}
        now = monotonic()
        good = []
        for connection in self._idle:
            unread = connection.sock.fileno() in said
            if connection.retire_at > now and (not unread or connection.is_quiet()):
                good.append(connection)
            else:
                connection.close()
        self._idle = good

    def close(self) -> None:
        """Close every kept connection."""
        while self._idle:
            self._idle.pop().close()

    def _connect(self, timeout: float) -> socket.socket:
        due = monotonic() + timeout
        addresses = self._resolver.addresses(self._host, self._port, timeout)
        if self._good in addresses:  # the address that worked last is tried first, then the others in turn
            addresses = (self._good, *(address for address in addresses if address != self._good))
        sock, self._good = connect(addresses, due)
        return handshake(sock, self._host, self._tls, due) if self._scheme == "https" else sock
