"""The body of a request on its way to a service: counted and bounded, buffered where small, streamed where not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from gateway import errors

PIECE = 65_536


class _Input(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Body:
    """What the client sends, `length` bytes or, where that is None, in chunks of unknown sum.

    A body that fits one piece is read before the service is called: it can be sent again, and a slow sender holds no
    connection. Reading raises PayloadTooLarge over `limit` bytes, RequestTimeout after `timeout` seconds without a
    byte, BadRequest for broken chunks or a client that stopped early.
    """

    def __init__(self, environ: Mapping[str, Any], limit: int, timeout: float) -> None:
        self._input: _Input = environ["wsgi.input"]
        self._limit = limit
        self._read = 0
        self.length = self._declared(environ)
        if self.length == 0:
            self.first = b""
            self.is_whole = True
            return
        sock = environ["gunicorn.socket"]
        sock.settimeout(timeout)
        if "HTTP_EXPECT" in environ and environ["SERVER_PROTOCOL"] != "HTTP/1.0":
            # Only now, not before the request was let in (RFC 9110 section 10.1.1).
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.first = self._piece()
        self.is_whole = len(self.first) < PIECE or self._read == self.length

    def _declared(self, environ: Mapping[str, Any]) -> int | None:
        declared = environ.get("CONTENT_LENGTH")
        if not declared:
            return None if "HTTP_TRANSFER_ENCODING" in environ else 0
        length = int(declared)  # gunicorn let only digits pass
        if length > self._limit:
            raise errors.PayloadTooLarge()
        return length

    def _piece(self) -> bytes:
        wanted = PIECE if self.length is None else min(PIECE, self.length - self._read)
        try:
            piece = self._input.read(wanted)
        except TimeoutError:
            raise errors.RequestTimeout() from None
        except errors.GatewayError:
            raise  # a deadline of the caller's
        except Exception:
            # gunicorn's own words for broken chunks, or the end of the connection in the middle of one.
            raise errors.BadRequest() from None
        self._read += len(piece)
        if self._read > self._limit:
            raise errors.PayloadTooLarge()
        if self.length is not None and len(piece) < wanted:
            raise errors.BadRequest()
        return piece

    def __iter__(self) -> Iterator[bytes]:
        yield self.first
        while self._read != self.length:
            piece = self._piece()
            if not piece:
                return
            yield piece
