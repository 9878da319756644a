"""What comes in: the bytes of a connection and the requests parsed from them."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from functools import lru_cache
from time import monotonic
from typing import Any
from urllib.parse import unquote_to_bytes

import gevent
from gunicorn.http import errors as parsing
from gunicorn.http.body import Body, LengthReader
from gunicorn.http.message import RFC9112_TARGET_INVALID, Request
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader

try:
    from gunicorn_h1c import parse_request
except ImportError:  # without the extra `fast` gunicorn's parser in Python reads all
    parse_request = None

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


class _NoBody:
    """The body of a request that has none."""

    failed = False
    length = 0

    @property
    def reader(self) -> _NoBody:
        return self

    def read(self, size: int | None = None) -> bytes:
        return b""


_NO_BODY = _NoBody()

_ODD = frozenset({"HTTP_TRANSFER_ENCODING", "HTTP_EXPECT"})


@lru_cache(maxsize=1024)
def _key(name: bytes) -> str:
    """WSGI's name of a field, empty where it has none: `X_A` would be taken for `X-A`."""
    if b"_" in name:
        return ""
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in ("CONTENT_LENGTH", "CONTENT_TYPE") else f"HTTP_{key}"


class UsualRequest:
    """A request whose head came in one piece and says nothing unusual, with its WSGI environ: a quarter of the time that
    gunicorn's own objects take. What is unusual is gunicorn's to read: two fields of one name, a body in chunks, Expect,
    HTTP/1.0, another target than a path, anything broken."""

    version = (1, 1)
    proxy_protocol_info = None
    __slots__ = ("body", "environ", "method")

    def __init__(self, environ: dict[str, Any], body: Any) -> None:
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self.body = body

    def should_close(self) -> bool:
        return self.method == "CONNECT" or self.environ.get("HTTP_CONNECTION", "").lower() == "close"


def usual_request(
    data: bytes, reader: Reader, base: Mapping[str, Any], limits: Mapping[str, Any]
) -> UsualRequest | None:
    """The request that `data` begins with, None where it is not whole or not usual; the rest goes back to `reader`.
    `base` is what all requests of the connection have in their environ."""
    if parse_request is None:
        return None
    try:
        head = parse_request(data, **limits)
    except Exception:
        return None
    target = head["path"].decode("latin-1")
    if (
        head["minor_version"] != 1
        or not target.startswith("/")
        or "#" in target
        or RFC9112_TARGET_INVALID.search(target)
    ):
        return None
    environ = dict(base)
    for name, value in head["headers"]:
        key = _key(name)
        if key in environ or key in _ODD:
            return None
        if key:
            environ[key] = value.decode("latin-1")
    path, _, query = target.partition("?")
    environ["REQUEST_METHOD"] = head["method"].decode("latin-1")
    environ["RAW_URI"] = target
    environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1") if "%" in path else path
    environ["QUERY_STRING"] = query
    body: Any = _NO_BODY
    length = environ.get("CONTENT_LENGTH")
    if length is not None:
        if not (length.isascii() and length.isdigit()):
            return None
        body = Body(LengthReader(reader, int(length)))
    environ["wsgi.input"] = body
    rest = data[head["consumed"] :]
    if rest:
        reader.unread(rest)
    return UsualRequest(environ, body)
