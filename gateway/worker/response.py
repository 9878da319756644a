"""gunicorn's response with fewer sends."""

from __future__ import annotations

import socket
from functools import lru_cache
from time import time
from typing import Any, Protocol

from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.http.errors import InvalidResponseHeader

from gateway.worker.remembered import Remembered
from gateway.worker.turns import Turns

DRAIN_BYTES = 65_536
"""An unread body up to this size is discarded to keep the connection; a longer one closes it."""


_END = ("", "")
_CHUNKED_END = ("Transfer-Encoding: chunked", *_END)
_FIELD_BYTES = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])


class Lasting(Protocol):
    """The worker: whether it goes on."""

    alive: bool


@lru_cache(maxsize=2)
def _http_date(second: int) -> str:
    return str(util.http_date(second))


def _kind(name: str) -> str:
    """What a field's name means here: `content-length`, `date`, `hop` for those of one connection, else nothing."""
    lowered = name.lower()
    if lowered in ("content-length", "date"):
        return lowered
    return "hop" if lowered in util.hop_headers else ""


_KINDS = Remembered(_kind)


class CoalescedResponse:
    """An answer as PEP 3333 has it, its head sent together with the first piece of the body (a send is 15 us). `sent`
    counts the bytes of the body, without the framing of chunks; the last piece counts even if it is cut."""

    def __init__(self, req: Any, sock: socket.socket, cfg: Any, worker: Lasting, turns: Turns) -> None:
        self.req = req
        self.sock = sock
        self._worker = worker
        self._turns = turns
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.headers_sent = False
        self.chunked = False
        self.response_length: int | None = None
        self._omits_body = False
        self.sent = 0
        self._held = b""
        self._date: str | None = None
        self._said_close = False

    def should_close(self) -> bool:
        """Whether the connection ends after this response. After the head was sent, it ends only if the head said so,
        or if the request's body was not read: where the next request starts is unknown then. If the worker is asked to
        stop after that, the connection stays open as announced: the client may have sent another request."""
        body = self.req.body
        if body.failed or getattr(body.reader, "length", 0) > DRAIN_BYTES:
            return True
        if self.headers_sent:
            return self._said_close
        is_framed = self.response_length is not None or self.chunked or self._omits_body
        return not (self._worker.alive and is_framed) or bool(self.req.should_close())

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """A service's Date is kept (RFC 9110 section 6.6.1). Fields are not looked at one by one (15 us): names are
        ours, or llhttp let them pass, values are looked at when the head is made."""
        if exc_info is not None and self.headers_sent:
            raise exc_info[1].with_traceback(exc_info[2])
        self.status = status
        code = int(status[:3])
        self._omits_body = self.req.method == "HEAD" or code in (204, 304) or code < 200
        kept = self.headers = []
        self.response_length = self._date = None
        for field in headers:
            kind = _KINDS[field[0]]
            if kind == "date":
                self._date = self._date or field[1]
            elif kind == "content-length" and code != 204:
                self.response_length = int(field[1])
                kept.append(field)
            elif not kind:
                kept.append(field)
        self.chunked = self.response_length is None and not self._omits_body and self.req.version >= (1, 1)
        return self.write

    def send_headers(self) -> None:
        if self.headers_sent:
            return
        major, minor = self.req.version
        self._said_close = self.should_close()
        lines = [
            f"HTTP/{major}.{minor} {self.status}",
            f"Server: {wsgi.SERVER}",
            f"Date: {self._date or _http_date(int(time()))}",
            f"Connection: {'close' if self._said_close else 'keep-alive'}",
            *map(": ".join, self.headers),
            *(_CHUNKED_END if self.chunked else _END),
        ]
        head = "\r\n".join(lines).encode("latin-1")
        # The end of each line is all that is left without what a field may hold (RFC 9110 section 5.5).
        if len(head.translate(None, _FIELD_BYTES)) != 2 * (len(lines) - 1):
            raise InvalidResponseHeader("a control character in a header")
        self._held = head
        self.headers_sent = True

    def write(self, arg: bytes) -> None:
        if self.headers_sent:
            self._turns.give()  # a service and a client that are both quick would have each other's turns only
        self.send_headers()
        if arg and not self._omits_body:
            if self.response_length is not None:
                arg = arg[: self.response_length - self.sent]
            self.sent += len(arg)
            self._held += b"%X\r\n%b\r\n" % (len(arg), arg) if self.chunked else arg
        if self._held:
            self._flush()

    def close(self) -> None:
        if not self.headers_sent:
            self.send_headers()
        if self.chunked:
            self._held += b"0\r\n\r\n"
        if self._held:
            self._flush()

    def _flush(self) -> None:
        held, self._held = self._held, b""
        # Nearly always one send takes it; sendall asks for the buffer's size first (7 us).
        sent = self.sock.send(held)
        if sent < len(held):
            self.sock.sendall(held[sent:])
