"""The body of a request to a service: bounded, buffered if it is small, otherwise streamed."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from gevent.select import select as wait_for

from gateway import errors
from gateway.transport import Connection

BUFFERED_BYTES = 65_536


class _Input(Protocol):
    has_arrived: bool

    def read_arrived(self) -> bytes: ...


class Body:
    """The body from the client: `length` bytes or, if that is None, chunks of an unknown total length.

    A body of a known length up to BUFFERED_BYTES is read before the service is called, so that it can be sent again and
    a slow client occupies no connection. The same applies to a chunked body that has already arrived. Any other body is
    forwarded as it arrives.
    Reading raises PayloadTooLarge over `limit` bytes, RequestTimeout after `timeout` seconds without a byte, BadRequest
    for invalid chunks, ClientClosedRequest if the client disconnects first.
    """

    def __init__(self, environ: Mapping[str, Any], limit: int, timeout: float) -> None:
        self._input: _Input = environ["wsgi.input"]
        self._limit = limit
        self._timeout = timeout
        self._read = 0
        self._ended = False
        self.length = self._declared(environ)
        if self.length == 0:
            self.first = b""
            self.is_whole = True
            return
        self._client: socket.socket = environ["gunicorn.socket"]
        self._client.settimeout(timeout)
        if "HTTP_EXPECT" in environ and environ["SERVER_PROTOCOL"] != "HTTP/1.0":
            # Only now, after the request was accepted (RFC 9110 section 10.1.1).
            self._client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.first = self._beginning()
        self.is_whole = self._ended

    def _declared(self, environ: Mapping[str, Any]) -> int | None:
        declared = environ.get("CONTENT_LENGTH")
        if not declared:
            return None if "HTTP_TRANSFER_ENCODING" in environ else 0
        length = int(declared)  # gunicorn accepts only digits
        if length > self._limit:
            raise errors.PayloadTooLarge()
        return length

    def _beginning(self) -> bytes:
        """A small body completely; of others the part that has arrived, or the first part."""
        is_small = self.length is not None and self.length <= BUFFERED_BYTES
        first = self._piece()
        while not self._ended and (is_small or (self._input.has_arrived and len(first) < BUFFERED_BYTES)):
            first += self._piece()
        return first

    def _piece(self) -> bytes:
        """The next part; empty at the end."""
        if self._ended:
            return b""
        try:
            piece = self._input.read_arrived()
        except TimeoutError:
            raise errors.RequestTimeout() from None
        except errors.GatewayError:
            raise  # a deadline of the caller
        except OSError:
            raise errors.ClientClosedRequest() from None
        except EOFError:
            raise errors.ClientClosedRequest() from None
        except Exception:
            raise errors.BadRequest() from None  # gunicorn's exceptions for invalid chunks
        self._read += len(piece)
        if self._read > self._limit:
            raise errors.PayloadTooLarge()
        self._ended = self._read == self.length if self.length is not None else not piece
        if not piece and not self._ended:
            raise errors.ClientClosedRequest()
        return piece

    def next_piece(self, peer: Connection) -> bytes | None:
        """The next part, empty at the end; None if data from `peer` arrives first."""
        if self.first:
            first, self.first = self.first, b""
            return first
        if self._ended:
            return b""  # a response is not early any more
        if not self._input.has_arrived and not _has_pending(self._client):
            readable, _, _ = wait_for([self._client, peer.sock], [], [], self._timeout)
            if not readable:
                raise errors.RequestTimeout()
            if peer.sock in readable:
                return None
        elif peer.has_input():
            return None
        return self._piece()

    def __iter__(self) -> Iterator[bytes]:
        """The complete body, for a caller that does not forward it."""
        yield self.first
        while piece := self._piece():
            yield piece


def _has_pending(client: socket.socket) -> bool:
    """Whether TLS has buffered data that the socket does not report."""
    return isinstance(client, ssl.SSLSocket) and client.pending() > 0
