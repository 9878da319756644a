"""The body of a request on its way to a service: counted and bounded, buffered where small, streamed where not."""

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
    """What the client sends, `length` bytes or, where that is None, in chunks of unknown sum.

    A body of a known length up to BUFFERED_BYTES is read before the service is called: it can be sent again, and a slow
    sender holds no connection. So is one in chunks that is here already. What arrives of any other is passed on at
    once.
    Reading raises PayloadTooLarge over `limit` bytes, RequestTimeout after `timeout` seconds without a byte, BadRequest
    for broken chunks, ClientClosedRequest where the client's end comes first.
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
            # Only now, not before the request was let in (RFC 9110 section 10.1.1).
            self._client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.first = self._beginning()
        self.is_whole = self._ended

    def _declared(self, environ: Mapping[str, Any]) -> int | None:
        declared = environ.get("CONTENT_LENGTH")
        if not declared:
            return None if "HTTP_TRANSFER_ENCODING" in environ else 0
        length = int(declared)  # gunicorn let only digits pass
        if length > self._limit:
            raise errors.PayloadTooLarge()
        return length

    def _beginning(self) -> bytes:
        """A small body whole; of another what is here, or comes first."""
        is_small = self.length is not None and self.length <= BUFFERED_BYTES
        first = self._piece()
        while not self._ended and (is_small or (self._input.has_arrived and len(first) < BUFFERED_BYTES)):
            first += self._piece()
        return first

    def _piece(self) -> bytes:
        """What comes next; empty at the end."""
        if self._ended:
            return b""
        try:
            piece = self._input.read_arrived()
        except TimeoutError:
            raise errors.RequestTimeout() from None
        except errors.GatewayError:
            raise  # a deadline of the caller's
        except OSError:
            raise errors.ClientClosedRequest() from None
        except EOFError:
            raise errors.ClientClosedRequest() from None
        except Exception:
            raise errors.BadRequest() from None  # gunicorn's own words for broken chunks
        self._read += len(piece)
        if self._read > self._limit:
            raise errors.PayloadTooLarge()
        self._ended = self._read == self.length if self.length is not None else not piece
        if not piece and not self._ended:
            raise errors.ClientClosedRequest()
        return piece

    def next_piece(self, peer: Connection) -> bytes | None:
        """What comes next, empty at the end; None as soon as `peer` has something to say first."""
        if self.first:
            first, self.first = self.first, b""
            return first
        if not self._ended and not self._input.has_arrived and not _has_pending(self._client):
            readable, _, _ = wait_for([self._client, peer.sock], [], [], self._timeout)
            if not readable:
                raise errors.RequestTimeout()
            if peer.sock in readable:
                return None
        elif peer.has_input():
            return None
        return self._piece()

    def __iter__(self) -> Iterator[bytes]:
        """The whole of it, for who passes it on to nobody."""
        yield self.first
        while piece := self._piece():
            yield piece


def _has_pending(client: socket.socket) -> bool:
    """Whether TLS has read what no socket tells of."""
    return isinstance(client, ssl.SSLSocket) and client.pending() > 0
