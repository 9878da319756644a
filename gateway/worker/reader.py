"""The bytes of a connection as they come."""

from __future__ import annotations

import socket
from time import monotonic

from gunicorn.http import errors as parsing
from gunicorn.http.unreader import SocketUnreader

from gateway.worker.turns import Turns

REQUEST_HEAD_BYTES = 131_072
REQUEST_LINE_BYTES = 16_384


class Reader(SocketUnreader):
    """The bytes of a connection; while a head is read, within its deadline and size."""

    def __init__(self, sock: socket.socket, fields: int, turns: Turns) -> None:
        """`fields`: how many header lines a head may have."""
        super().__init__(sock)
        self._fields = fields
        self._turns = turns
        self._due: float | None = None
        self._size = self._lines = 0
        self._tail = b""

    def expect_head(self, due: float, data: bytes) -> None:
        """A head follows, which begins with `data`: all of it has to be here at `due`, a monotonic time."""
        self._due = due
        self._size = self._lines = 0
        self._tail = b""
        self._measure(data)
        self.unread(data)

    def expect_body(self) -> None:
        """The head is over: time-outs are those of the socket."""
        self._due = None

    def chunk(self, size_hint: int | None = None) -> bytes:
        """The next bytes. Raises TimeoutError where they come too late, a ParseException where a head is too long."""
        if self._due is None:
            self._turns.give()  # where bytes are always there, recv never lets others have a turn
            return bytes(super().chunk(size_hint))
        left = self._due - monotonic()
        if left <= 0:
            raise TimeoutError
        self.sock.settimeout(left)
        data = bytes(super().chunk())
        self._measure(data)
        return data

    def _measure(self, data: bytes) -> None:
        """Refuse a head that grows too long while it comes, and many lines, for which the parser in C has no name."""
        self._size += len(data)
        end = (self._tail + data).find(b"\r\n\r\n")  # it may have come in two
        self._lines += data.count(b"\n") if end < 0 else data.count(b"\n", 0, max(0, end - len(self._tail)))
        self._tail = data[-3:]
        if self._size > REQUEST_LINE_BYTES and not self._lines:
            raise parsing.LimitRequestLine(self._size, REQUEST_LINE_BYTES)
        if self._size > REQUEST_HEAD_BYTES or self._lines > self._fields + 2:
            raise parsing.LimitRequestHeaders("the head is too long")
