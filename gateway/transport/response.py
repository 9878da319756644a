"""One answer as it comes from the wire: a strict head, then its body as it arrives.

llhttp (through httptools) reads it: 2 us a head where http.client takes 31, and it refuses what http.client repairs
in silence: bare CR or LF, folded lines, two lengths, a length beside chunks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import inf
from time import monotonic

import gevent
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from gateway.transport.connections import Connection, Origin
from gateway.transport.faults import IncompleteBody, NoResponse, ProtocolError, ResponseTimeout

HEAD_BYTES = 65_536
READ_BYTES_IN_ALL = 1 << 20
"""Of a body that is read and not passed on: Keycloak's documents and tokens are far shorter."""

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
HEADER_FIELDS = 100
READ_BYTES = 65_536


# The head of an answer as nearly all are; whatever differs is llhttp's to read.
_USUAL = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)\r\n"
    rb"((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)+)\r\n"
)


class UpstreamResponse:
    """The answer on a connection, file-like as `requests.Response.raw` has to be.

    `headers` are (name, value) pairs in their order, decoded as Latin-1. Each read waits at most `read_timeout`
    seconds and, while `deadline` (a monotonic time) is set, never beyond it.
    """

    def __init__(
        self,
        origin: Origin,
        connection: Connection,
        method: str,
        read_timeout: float | None,
        deadline: float | None,
    ) -> None:
        self.status = 0
        self.reason = ""
        self.headers: list[tuple[str, str]] = []
        self.length: int | None = None
        self.read_timeout = read_timeout
        self.deadline = deadline
        self._origin = origin
        self._connection: Connection | None = connection
        self._head_only = method == "HEAD"
        self._parser: HttpResponseParser | None = None
        self._framed = self._dirty = self._keep = False
        self._fault: str | None = None
        self._head_done = self._complete = False
        self._arrived: list[bytes] = []
        self._left = b""
        self._overhead = self._read = 0
        self._known: dict[str, str] = {}

    # What httptools calls.

    def on_message_begin(self) -> None:
        self._dirty = self._head_done

    def on_status(self, reason: bytes) -> None:
        if not self._head_done:
            self.reason += reason.decode("latin-1")
            if _CONTROL.search(self.reason):
                self._fault = "a control character in the reason phrase"

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_done:
            return  # a trailer: hop-by-hop here, as the chunks it came with
        self.headers.append((name.decode("latin-1"), value.decode("latin-1")))
        if len(self.headers) > HEADER_FIELDS:
            self._fault = "too many header fields"

    def on_headers_complete(self) -> None:
        if self._head_done or self._parser is None:
            self._dirty = True
            return
        self.status = self._parser.get_status_code()
        if self.status == 100:
            self.headers.clear()
            self.reason = ""
            return
        self._head_done = True
        if self._parser.get_http_version() not in ("1.0", "1.1"):
            self._fault = "another version of HTTP"
        self._read_framing()
        if self.status < 200:
            self._fault = "an interim answer"
        self._keep = self._parser.should_keep_alive()  # llhttp forgets it with the message's end
        self._complete = self._head_only

    def on_body(self, data: bytes) -> None:
        self._overhead = 0
        if self._complete:
            self._dirty = True
        else:
            self._arrived.append(data)

    def on_message_complete(self) -> None:
        self._complete = self._head_done

    # What the gateway calls.

    def read_head(self) -> None:
        """Read up to the end of the head, and keep what of the body came with it.

        Raises NoResponse where the peer ended the connection first, ResponseTimeout, ProtocolError.
        """
        size = 0
        while not self._head_done:
            data = self._receive()
            if not size and data and self._is_usual(data):
                return
            if not data:
                raise ProtocolError("the head was cut short") if size else NoResponse("closed without an answer")
            size += len(data)
            self._feed(data)
            if size > HEAD_BYTES and not self._head_done:
                raise ProtocolError("the head is too long")

    def field(self, name: str) -> str | None:
        """The values of a field, by its name in lower case, joined by commas; None where it is not there."""
        return self._known.get(name)

    @property
    def is_whole(self) -> bool:
        """Whether the body's end has arrived."""
        return self._complete

    @property
    def has_arrived(self) -> bool:
        """Whether some of the body is here, or its end."""
        return self._complete or bool(self._arrived)

    def await_body(self) -> None:
        """Wait for the first of the body, or its end. Raises as iterating does."""
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
            if self._complete:
                return
            self._receive_body()

    def read(self, amount: int = -1) -> bytes:
        """Up to `amount` bytes of the body, all of it by default; empty at its end, which closes the answer."""
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

    def close(self) -> None:
        """Keep the connection where the answer was read cleanly to its end, else close it. May be called again."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        self._parser = None  # it refers to this answer: both would wait for the garbage collector
        if self._complete and not self._dirty and not self._arrived and self._keep:
            self._origin.keep(connection)
        else:
            self._origin.drop(connection)

    def drop(self) -> None:
        """Close, with the connection."""
        self.refuse_reuse()
        self.close()

    def refuse_reuse(self) -> None:
        """Close the connection after this answer, whatever it says of itself."""
        self._dirty = True

    def _is_usual(self, data: bytes) -> bool:
        """Whether `data` is one whole answer with a length: then it has been read, in a third of the time that llhttp
        takes with its calls back."""
        found = _USUAL.match(data)
        if found is None or self._head_only:
            return False
        status = int(found[1])
        lines = found[3].decode("latin-1").split("\r\n")
        headers = []
        for line in lines[:-1]:
            name, _, value = line.partition(":")
            headers.append((name, value.strip(" \t")))
        self.headers = headers
        known = self._name_fields()
        length = known.get("content-length", "")
        body = data[found.end() :]
        if (
            not (length.isascii() and length.isdigit())
            or len(body) != int(length)
            or status in (204, 304)
            or "transfer-encoding" in known
            or "upgrade" in known
            or len(headers) > HEADER_FIELDS
        ):
            self.headers = []
            known.clear()
            return False
        self.status = status
        self.reason = found[2].decode("latin-1")
        self.length = len(body)
        self._framed = self._head_done = self._complete = True
        self._keep = known.get("connection", "keep-alive").lower() == "keep-alive"
        if body:
            self._arrived.append(body)
        return True

    def _name_fields(self) -> dict[str, str]:
        known = self._known
        for name, value in self.headers:
            lowered = name.lower()
            known[lowered] = f"{known[lowered]},{value}" if lowered in known else value
        return known

    def _read_framing(self) -> None:
        known = self._name_fields()
        if "content-length" in known:
            self.length = int(known["content-length"])
            self._framed = True
        if "transfer-encoding" in known:
            self._framed = True
            if known["transfer-encoding"].lower() != "chunked":
                self._fault = "an unknown transfer coding"
        # Who frames a body that can not be there may send it yet; a 304 has the length of what it does not send (RFC
        # 9110 section 8.6).
        if self._framed and (self.status == 204 or (self.status == 304 and self.length is None)):
            self._dirty = True

    def _receive_body(self) -> None:
        data = self._receive()
        if data:
            self._overhead += len(data)  # chunk extensions and trailers bring no body: they are no way to keep us busy
            self._feed(data)
            if self._overhead > HEAD_BYTES:
                raise ProtocolError("too much beside the body")
            if not self.has_arrived:
                gevent.sleep(0)
        elif self._framed:
            raise IncompleteBody("the body was cut short")
        else:
            self._complete = self._dirty = True  # its end is the connection's (RFC 9112 section 6.3)

    def _receive(self) -> bytes:
        if self._connection is None:
            raise ProtocolError("the answer was closed")
        now = monotonic()
        due = inf if self.read_timeout is None else now + self.read_timeout
        if self.deadline is not None and self.deadline < due:
            due = self.deadline
            if due <= now:
                raise ResponseTimeout("the answer took too long")
        try:
            return self._connection.receive(READ_BYTES, due)
        except TimeoutError:
            raise ResponseTimeout("no byte in time") from None

    def _feed(self, data: bytes) -> None:
        if self._parser is None:
            self._parser = HttpResponseParser(self)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._dirty = True
            if not self._complete:
                raise ProtocolError(type(error).__name__) from None
        if self._fault is not None:
            raise ProtocolError(self._fault)
