"""Sends a request: its head byte for byte, its body unchanged, until the peer answers."""

from __future__ import annotations

from typing import Any, Protocol

from requests import PreparedRequest

from gateway.transport.connections import Connection
from gateway.transport.response import UpstreamResponse


class StreamedBody(Protocol):
    """A request's body that is still arriving."""

    def next_piece(self, peer: Connection) -> bytes | None:
        """The next part, empty at the end; None if data from `peer` arrives first."""


def send(
    connection: Connection, start: tuple[str, str], request: PreparedRequest, response: UpstreamResponse, timeout: float
) -> bool:
    """Send `request` after `start`, its first lines; `request.headers` have no Host. False if the peer's final response
    arrived before the end of the request: the rest is not sent (RFC 9110 section 10.1.1 and RFC 9112 section 9.5).

    Raises ResponseTimeout if the peer accepts nothing for `timeout` seconds, and the exceptions of `response.hear` and
    of the body.
    """
    lines = [*start, *map(": ".join, request.headers.items()), "", ""]
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1:
        raise ValueError("a line break in a header")
    body: Any = request.body
    data = head.encode("latin-1")
    if body is None or isinstance(body, (bytes, str)):
        data += body.encode() if isinstance(body, str) else body or b""
        return _send_all(connection, data, response, timeout)
    if not _send_all(connection, data, response, timeout):
        return False
    if "Transfer-Encoding" in request.headers:
        return _send_chunks(connection, body, response, timeout)
    while (piece := _next(connection, body, response)) is not None:
        if not piece:
            return True
        if not _send_all(connection, piece, response, timeout):
            return False
    return False


def _send_chunks(connection: Connection, body: StreamedBody, response: UpstreamResponse, timeout: float) -> bool:
    """RFC 9112 section 7.1, without trailers."""
    while (piece := _next(connection, body, response)) is not None:
        chunk = b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b"0\r\n\r\n"
        if not _send_all(connection, chunk, response, timeout):
            return False
        if not piece:
            return True
    return False


def _next(connection: Connection, body: StreamedBody, response: UpstreamResponse) -> bytes | None:
    """The next piece; None if the final response has arrived. Interim ones do not stop an upload."""
    while (piece := body.next_piece(connection)) is None:
        if response.hear():
            return None
    return piece


def _send_all(connection: Connection, data: bytes, response: UpstreamResponse, timeout: float) -> bool:
    """Whether all of `data` was sent before the final response arrived."""
    sent = connection.send(data, timeout)
    while sent < len(data):
        data = data[sent:]
        if not sent and response.hear():
            return False
        sent = connection.send(data, timeout)
    return True
