"""What comes in: the bytes of a connection and the requests parsed from them."""

from __future__ import annotations

import socket
from time import monotonic

import gevent
from gunicorn.http import errors as parsing
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader

HEAD_BYTES = 131_072
LINE_BYTES = 16_384
CHUNK_LINE_BYTES = 256


class Reader(SocketUnreader):
    """The bytes of a connection; while a head is read, within its deadline and size."""

    def __init__(self, sock: socket.socket, fields: int) -> None:
        """`fields`: how many header lines a head may have."""
        super().__init__(sock)
        self._fields = fields
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
        if self._due is None:
            gevent.sleep(0)  # where bytes are always there, recv never lets others have a turn
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
        if self._size > LINE_BYTES and not self._lines:
            raise parsing.LimitRequestLine(self._size, LINE_BYTES)
        if self._size > HEAD_BYTES or self._lines > self._fields + 2:
            raise parsing.LimitRequestHeaders("the head is too long")


class StrictRequest(Request):
    """gunicorn's request, refused where its parser in C lets through what its parser in Python does not."""

    # `100 Continue` is said when the body is wanted, not when the head was read.
    _policy_expect_continue = False

    def _peer_is_trusted_proxy(self) -> bool:
        """Nobody is: no address of gunicorn.conf.py's, and not, as gunicorn has it, whoever comes by a Unix socket.
        TRUSTED_PROXIES says whose word counts. Parsing the peer's address to find that out costs 10 us."""
        return False

    def set_body_reader(self) -> None:
        for name, value in self.headers:
            if not name:
                raise parsing.ObsoleteFolding("")
            if name == "EXPECT" and value.lower() != "100-continue":
                raise parsing.ExpectationFailed("")
        codings = [value.lower() for name, value in self.headers if name == "TRANSFER-ENCODING"]
        if codings not in ([], ["chunked"]):
            raise parsing.UnsupportedTransferCoding("")
        super().set_body_reader()
        if codings and self.body is not None:
            # A size is a few digits; extensions of gunicorn's 32 KiB for each byte would keep a worker busy.
            self.body.reader.limit_chunk_size_line = CHUNK_LINE_BYTES


class Parser(RequestParser):
    mesg_class = StrictRequest
