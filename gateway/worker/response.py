"""What goes out: gunicorn's response with fewer sends."""

from __future__ import annotations

import socket
from functools import lru_cache
from time import time
from typing import Any, Protocol

from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.http.errors import InvalidResponseHeader

DRAIN_BYTES = 65_536
"""An unread body up to this is read away to keep the connection; a longer one closes it."""


_FIELD_BYTES = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])


class Serving(Protocol):
    """The worker: whether it goes on."""

    alive: bool


@lru_cache(maxsize=2)
def _http_date(second: int) -> str:
    return str(util.http_date(second))


class CoalescedResponse(wsgi.Response):
    """gunicorn's response, its head sent together with the first piece of the body (a send is 15 us)."""

    def __init__(self, req: Any, sock: socket.socket, cfg: Any, worker: Serving) -> None:
        super().__init__(req, sock, cfg)
        self._worker = worker
        self.headers_sent: bool = False
        self._held = b""
        self._date: str | None = None

    def should_close(self) -> bool:
        """Also when the worker stops, and after a body that was not or could not be read: where the next request starts
        is not known then."""
        body = self.req.body
        unread = getattr(body.reader, "length", 0)
        return bool(super().should_close() or not self._worker.alive or body.failed or unread > DRAIN_BYTES)

    def process_headers(self, headers: list[tuple[str, str]]) -> None:
        """As gunicorn's, but a service's Date is kept (RFC 9110 section 6.6.1), and fields are not looked at one by one
        (15 us): names are ours, or llhttp let them pass, values are looked at when the head is made."""
        for name, value in headers:
            lowered = name.lower()
            if lowered == "content-length":
                self.response_length = int(value)
            elif lowered == "date":
                self._date = self._date or value
            if lowered not in util.hop_headers:
                self.headers.append((name, value))

    def default_headers(self) -> list[str]:
        """As gunicorn's, its Date made once a second (25 us a request)."""
        version = ".".join(map(str, self.req.version))
        framing = ["Transfer-Encoding: chunked\r\n"] if self.chunked else []
        return [
            f"HTTP/{version} {self.status}\r\n",
            f"Server: {wsgi.SERVER}\r\n",
            f"Date: {self._date or _http_date(int(time()))}\r\n",
            f"Connection: {'close' if self.should_close() else 'keep-alive'}\r\n",
            *framing,
        ]

    def send_headers(self) -> None:
        if not self.headers_sent:
            lines = [
                *self.default_headers(),
                *(f"{name}: {value}\r\n" for name, value in self.headers),
                "\r\n",
            ]
            head = "".join(lines).encode("latin-1")
            # The end of each line is all that is left without what a field may hold (RFC 9110 section 5.5).
            if head.translate(None, _FIELD_BYTES) != b"\r\n" * len(lines):
                raise InvalidResponseHeader("a control character in a header")
            self._held = head
            self.headers_sent = True

    def write(self, arg: bytes) -> None:
        super().write(arg)
        self._flush()

    def close(self) -> None:
        self.send_headers()
        if self.chunked:
            self._held += b"0\r\n\r\n"
        self._flush()

    def _emit_body(self, data: bytes) -> None:
        self._held += b"%X\r\n%b\r\n" % (len(data), data) if self.chunked else data

    def _flush(self) -> None:
        held, self._held = self._held, b""
        if held:
            # Nearly always one send takes it; sendall asks for the buffer's size first (7 us).
            sent = self.sock.send(held)
            if sent < len(held):
                self.sock.sendall(held[sent:])
