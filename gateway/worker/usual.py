"""The fast path of usual requests: the head is converted directly to a WSGI environ (saves 100 us of 586 a request).

It accepts a strict subset of what gunicorn's parser accepts, with the same result; gunicorn parses or refuses
everything else. tests/worker/test_usual.py compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from gateway.worker.body import ArrivingBody, ArrivingLength
from gateway.worker.reader import Reader
from gateway.worker.remembered import Remembered
from gateway.worker.request import connection_options

try:
    from gunicorn_h1c import parse_request
except ImportError:  # without the extra `fast`, gunicorn's parser in Python parses everything
    parse_request = None

LENGTH_DIGITS = 18
"""The maximum digits of a Content-Length; gunicorn refuses longer ones."""

# RFC 9112 section 3, of a path (no fragment); the parser in C accepts more.
_REQUEST_LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ (/[\x21\x22\x24-\x7e]*) HTTP/1\.1\r\n")

_ODD = frozenset({"HTTP_TRANSFER_ENCODING", "HTTP_EXPECT"})


def _environ_name(name: bytes) -> str:
    """WSGI's name of a field, empty if it has none: `X_A` would be confused with `X-A`."""
    if b"_" in name:
        return ""
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in ("CONTENT_LENGTH", "CONTENT_TYPE") else f"HTTP_{key}"


_ENVIRON_NAMES = Remembered(_environ_name)
_CLOSES = Remembered(lambda value: "close" in connection_options((value,)))  # type: Remembered[str, bool]


class NoBody:
    """`wsgi.input` of a request without a body, and its own reader: one for all of them."""

    failed = False
    length = 0
    received = 0

    def __init__(self) -> None:
        self.reader = self

    def read(self, size: int | None = None) -> bytes:
        return b""

    def read_arrived(self) -> bytes:
        return b""

    def readline(self, size: int | None = None) -> bytes:
        return b""

    def readlines(self, size: int | None = None) -> list[bytes]:
        return []

    def __iter__(self) -> Iterator[bytes]:
        return iter(())


NO_BODY = NoBody()


class UsualRequest:
    """A request whose head arrived in one piece and contains nothing unusual, with its WSGI environ."""

    version = (1, 1)
    __slots__ = ("body", "environ", "method")

    def __init__(self, environ: dict[str, Any], body: ArrivingBody | NoBody) -> None:
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self.body = body

    def should_close(self) -> bool:
        """See `StrictRequest.should_close`."""
        options = self.environ.get("HTTP_CONNECTION")
        return self.method == "CONNECT" or (options is not None and _CLOSES[options])


def usual_request(
    data: bytes, reader: Reader, base: Mapping[str, Any], limits: Mapping[str, Any]
) -> UsualRequest | None:
    """The request at the beginning of `data`; None if it is incomplete, or unusual: two fields of one name, a chunked
    body, Expect, HTTP/1.0, a target that is not a path, anything invalid or too long.

    `base` is the common environ of the connection's requests, `limits` are those of a head. The bytes after the head
    are given back to `reader`.
    """
    line = _REQUEST_LINE.match(data)
    if line is None or parse_request is None:
        return None
    try:
        head = parse_request(data, **limits)
    except Exception:  # gunicorn's parser reports the error
        return None
    target = line[1].decode("latin-1")
    environ = dict(base)
    if not _put_fields(environ, head["headers"]):
        return None
    length = environ.get("CONTENT_LENGTH", "0")
    if not (length.isascii() and length.isdigit() and len(length) <= LENGTH_DIGITS):
        return None
    path, _, query = target.partition("?")
    environ["REQUEST_METHOD"] = head["method"].decode("latin-1")
    environ["RAW_URI"] = target
    environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1") if "%" in path else path
    environ["QUERY_STRING"] = query
    body = ArrivingBody(ArrivingLength(reader, int(length))) if "CONTENT_LENGTH" in environ else NO_BODY
    environ["wsgi.input"] = body
    rest = data[head["consumed"] :]
    if rest:
        reader.unread(rest)
    return UsualRequest(environ, body)


def _put_fields(environ: dict[str, Any], fields: Iterable[tuple[bytes, bytes]]) -> bool:
    """Add a head's fields to the environ; False if one of them is unusual, or repeated."""
    for name, value in fields:
        key = _ENVIRON_NAMES[name]
        if key in environ or key in _ODD:
            return False
        if key:
            environ[key] = value.decode("latin-1")
    return True
