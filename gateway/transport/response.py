"""A service's response from the connection: a strictly parsed head, then its body as it arrives."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import inf
from time import monotonic

import gevent

from gateway.transport.connections import RETIRE_SECONDS, Connection
from gateway.transport.faults import CallFault, IncompleteBody, NoResponse, ProtocolError, ResponseTimeout
from gateway.transport.head import Head
from gateway.transport.origin import Origin
from gateway.transport.parser import ResponseParser
from gateway.transport.whole import whole_response

READ_BYTES = 65_536
READ_BYTES_IN_ALL = 1 << 20
"""The maximum of a body that is not forwarded: Keycloak's documents and tokens are far shorter."""


class UpstreamResponse:
    """The response on a connection, file-like as `requests.Response.raw` has to be.

    `status`, `reason`, `headers` ((name, value) pairs in their order, decoded as Latin-1), `fields` (the values of each
    name in lower case, joined by commas) and `length` (what Content-Length says, None where there is none) are there
    after `read_head`; `is_whole`: the body's end has arrived. Each read waits at most `read_timeout` seconds and,
    while `deadline` (a monotonic time) is set, never beyond it.
    """

    def __init__(self, origin: Origin, connection: Connection, method: str, read_timeout: float | None) -> None:
        self.status = 0
        self.reason = ""
        self.headers: list[tuple[str, str]] = []
        self.fields: dict[str, str] = {}
        self.length: int | None = None
        self.read_timeout = read_timeout
        self.deadline: float | None = None
        self._origin = origin
        self._connection: Connection | None = connection
        self._head_only = method == "HEAD"
        self._head: Head | None = None
        self._parser: ResponseParser | None = None
        self._arrived: list[bytes] = []
        self.is_whole = self._unusable = False
        self._left = b""
        self._read = 0

    # The head.

    def read_head(self) -> None:
        """Read up to the end of the final response's head, and keep the part of the body that arrived with it.

        Raises NoResponse if the peer ended the connection first, ResponseTimeout, ProtocolError.
        """
        while self._head is None:
            self._take_head(self._receive())
        head = self._head
        self.status = head.status
        self.reason = head.reason
        self.headers = head.headers
        self.fields = head.fields
        self.length = head.length

    def hear(self) -> bool:
        """Read without waiting; whether the head of the final response is complete, so that `read_head` need not wait.
        Raises like it."""
        while self._head is None and self._connection is not None:
            try:
                data = self._connection.receive_ready(READ_BYTES)
            except OSError:
                raise self._cut() from None
            if data is None:
                return False
            self._take_head(data)
        return True

    def _take_head(self, data: bytes) -> None:
        if not data:
            raise self._cut()
        if self._parser is None:
            whole = None if self._head_only else whole_response(data)
            if whole is not None:
                self._head, body = whole
                self.is_whole = True
                if body:
                    self._arrived.append(body)
                return
            self._parser = ResponseParser(self._arrived, head_only=self._head_only)
        self._feed(data)

    # The body.

    @property
    def has_arrived(self) -> bool:
        """Whether a part of the body has arrived, or its end."""
        return self.is_whole or bool(self._arrived)

    def await_body(self) -> None:
        """Wait for the first part of the body, or its end. Raises the exceptions of iteration."""
        while not self.has_arrived:
            self._receive_body()

    def take(self) -> bytes:
        """The part of the body that has arrived."""
        data = self._arrived[0] if len(self._arrived) == 1 else b"".join(self._arrived)
        self._arrived.clear()
        return data

    def __iter__(self) -> Iterator[bytes]:
        """The body in the pieces in which it arrives. Raises IncompleteBody, ResponseTimeout, ProtocolError."""
        while True:
            if self._arrived:
                yield self.take()
            if self.is_whole:
                return
            self._receive_body()

    def read(self, amount: int = -1) -> bytes:
        """Up to `amount` bytes of the body, all of it by default; empty at its end, which closes the response."""
        pieces = iter(self)
        while amount < 0 or len(self._left) < amount:
            piece = next(pieces, None)
            if piece is None:
                self.close()
                break
            self._read += len(piece)
            if self._read > READ_BYTES_IN_ALL:
                raise ProtocolError("the body is too long")
            self._left += piece
        taken = self._left if amount < 0 else self._left[:amount]
        self._left = self._left[len(taken) :]
        return taken

    # The end.

    def close(self) -> None:
        """Keep the connection if the response was read cleanly to its end, otherwise close it. May be called again."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        head, parser = self._head, self._parser
        if parser is not None:
            self._unusable = self._unusable or parser.is_dirty
            parser.release()
        if head is None or not head.keeps_alive or not self.is_whole or self._unusable or self._arrived:
            self._origin.drop(connection)
            return
        announced = self.fields.get("keep-alive")
        self._origin.keep(connection, RETIRE_SECONDS if announced is None else _idle_seconds(announced))

    def drop(self) -> None:
        """Close, with the connection."""
        self.refuse_reuse()
        self.close()

    def refuse_reuse(self) -> None:
        """Close the connection after this response, regardless of its headers."""
        self._unusable = True

    def _receive_body(self) -> None:
        data = self._receive()
        if data:
            self._feed(data)
            if not self.has_arrived:
                gevent.sleep(0)
        elif self._head is None or self._head.is_framed:
            raise self._cut()
        else:
            self.is_whole = self._unusable = True  # its end is the connection's (RFC 9112 section 6.3)

    def _receive(self) -> bytes:
        if self._connection is None:
            raise ProtocolError("the response was closed")
        now = monotonic()
        due = inf if self.read_timeout is None else now + self.read_timeout
        if self.deadline is not None and self.deadline < due:
            due = self.deadline
            if due <= now:
                raise ResponseTimeout("the response took too long")
        try:
            return self._connection.receive(READ_BYTES, due)
        except TimeoutError:
            raise ResponseTimeout("no byte in time") from None
        except OSError:
            raise self._cut() from None

    def _cut(self) -> CallFault:
        """The fault for any end except a clean one (RFC 9112 section 8); it depends on what had arrived."""
        if self._head is not None:
            return IncompleteBody("the body was cut short")
        return (
            NoResponse("closed without a response") if self._parser is None else ProtocolError("the head was cut short")
        )

    def _feed(self, data: bytes) -> None:
        if self._parser is None:  # the response was complete
            raise ProtocolError("something after the response")
        self._parser.feed(data)
        self._head = self._parser.head
        self.is_whole = self._parser.is_complete


@lru_cache(maxsize=64)
def _idle_seconds(keep_alive: str) -> float:
    """How long to keep a connection whose peer sends `Keep-Alive: timeout=5`: a second less, so that it is not closed
    during the next call."""
    for parameter in keep_alive[:256].split(","):
        name, _, value = parameter.strip().partition("=")
        if name.strip().lower() == "timeout" and value.strip().isdecimal():
            return max(0.0, float(value[:9]) - 1.0)
    return RETIRE_SECONDS
