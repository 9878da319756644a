"""One connection to Redis for many requests at once: what they ask in one turn of the loop is one write."""

from __future__ import annotations

import socket
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

import gevent
import hiredis
from gevent.hub import Waiter
from redis.connection import AbstractConnection

from gateway.store.redis_faults import ConnectionLost, NotRedis, RedisFault, TooSlow

LOOK_SECONDS = 0.05
"""How late a time-out may be."""

_READ, _WRITE = 1, 2
_READ_BYTES = 65_536
_LIST = b"*2\r\n"
_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def recorded(kind: type[AbstractConnection]) -> type[AbstractConnection]:
    """A subclass of `kind` (a connection class of redis-py) that exposes its socket as `sock`: it connects, speaks TLS,
    gives the password and chooses the database as REDIS_URL says; what comes after is the pipeline's."""

    class Recorded(kind):  # type: ignore[misc, valid-type]
        sock: socket.socket

        def _connect(self) -> socket.socket:
            self.sock = super()._connect()
            return self.sock

    return Recorded


class Pipeline:
    """Sends commands as they come and matches the replies in order; waits for no reply before the next command.

    Replies are lists of at most two numbers, texts and errors; any other reply, or an unexpected one, is a fault.
    Everything runs in the loop's callbacks: a command costs its greenlet one switch, and no system call of its own
    where others ask in the same turn.
    """

    def __init__(self, connection: Callable[[], Any], timeout: float) -> None:
        """`connection` makes one of `recorded`. `timeout`, in seconds, is a reply's. Touches nothing."""
        self._make = connection
        self._timeout = timeout
        self.used = 0.0  # when it was asked last, monotonic
        self._connection: Any = None
        self._sock: socket.socket | None = None
        self._outgoing: list[bytes] = []
        self._waiting: deque[tuple[Waiter[Any], float]] = deque()
        self._watchers: tuple[Any, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether it is connected."""
        return self._sock is not None

    def open(self) -> None:
        """Connect. Raises whatever redis-py does."""
        self.close()
        self.used = monotonic()
        connection = self._make()
        connection.connect()
        sock: socket.socket = connection.sock
        sock.setblocking(False)
        loop = gevent.get_hub().loop
        self._connection, self._sock = connection, sock
        self._held = b""  # the beginning of a list's length
        self._reader = hiredis.Reader(protocolError=NotRedis, replyError=hiredis.ReplyError)
        self._readable: Any = loop.io(sock.fileno(), _READ)
        self._writable: Any = loop.io(sock.fileno(), _WRITE)
        # One that does not repeat has nothing left when it is started anew, and would keep the loop busy.
        self._timer: Any = loop.timer(LOOK_SECONDS, LOOK_SECONDS)
        self._watchers = (self._readable, self._writable, self._timer)
        self._readable.start(self._guarded, self._read)

    def close(self, fault: RedisFault | None = None) -> None:
        """Close the connection; who waits for a reply gets the fault (default: ConnectionLost)."""
        for watcher in self._watchers:
            watcher.stop()
            watcher.close()
        self._watchers = ()
        if self._connection is not None:
            self._connection.disconnect()
        self._connection = self._sock = None
        self._outgoing.clear()
        waiting, self._waiting = self._waiting, deque()
        for waiter, _ in waiting:
            gevent.get_hub().loop.run_callback(waiter.throw, fault or ConnectionLost())

    def call(self, command: bytes) -> Any:
        """The reply to a command, which is in the protocol's own form; an error reply is one of hiredis's.

        Raises ConnectionLost, TooSlow, NotRedis.
        """
        if self._sock is None:
            raise ConnectionLost
        if not self._outgoing and not self._writable.active:
            gevent.get_hub().loop.run_callback(self._guarded, self._write)
        if not self._timer.active:
            self._looked = monotonic()
            self._timer.start(self._guarded, self._look)
        waiter: Waiter[Any] = Waiter()
        self._outgoing.append(command)
        self.used = monotonic()
        self._waiting.append((waiter, self.used + self._timeout))
        return waiter.get()

    def _guarded(self, step: Callable[[socket.socket], None]) -> None:
        try:
            if self._sock is not None:
                step(self._sock)
        except RedisFault as fault:
            self.close(fault)
        except OSError:
            self.close(ConnectionLost())
        except Exception:  # of what hiredis made of no Redis's words
            self.close(NotRedis())

    def _write(self, sock: socket.socket) -> None:
        data = b"".join(self._outgoing)
        sent = 0
        with suppress(*_NOT_YET):
            sent = sock.send(data)
        self._outgoing[:] = [data[sent:]] if sent < len(data) else []
        if not self._outgoing:
            self._writable.stop()
        elif not self._writable.active:
            self._writable.start(self._guarded, self._write)

    def _read(self, sock: socket.socket) -> None:
        while self._sock is sock:
            try:
                data = sock.recv(_READ_BYTES)
            except _NOT_YET:
                return
            if not data:
                raise ConnectionLost
            self._take(data)
            if not isinstance(sock, ssl.SSLSocket):  # what TLS has read already wakes nobody
                return

    def _take(self, data: bytes) -> None:
        reader, data = self._reader, self._held + data
        cut = data.rfind(b"*", max(0, len(data) - len(_LIST) + 1))
        data, self._held = (data, b"") if cut < 0 else (data[:cut], data[cut:])
        if data.count(b"*") != data.count(_LIST):  # hiredis makes a list of whatever length is said, at once
            raise NotRedis
        reader.feed(data)
        while (reply := reader.gets()) is not False:
            if not self._waiting:
                raise NotRedis
            self._waiting.popleft()[0].switch(reply)
            if self._reader is not reader:
                return

    def _look(self, sock: socket.socket) -> None:
        """Raise TooSlow if the oldest awaited reply is late, unless the event loop was blocked and replies may still be
        unread."""
        now, looked, self._looked = monotonic(), self._looked, monotonic()
        if self._waiting and self._waiting[0][1] < now and now - looked < 3 * LOOK_SECONDS:
            raise TooSlow
        if not self._waiting:
            self._timer.stop()
