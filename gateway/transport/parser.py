"""Parses a response with llhttp (httptools): 2 us a head, where http.client takes 31. It refuses what http.client
silently repairs: bare CR or LF, folded lines, two lengths, a length with chunks."""

from __future__ import annotations

import re

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from gateway.transport.faults import ProtocolError
from gateway.transport.head import HEAD_BYTES, HEADER_FIELDS, LINE_BYTES, Head, fields_of

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

# RFC 9110 section 5.5 allows blanks after a field's value; llhttp accepts `chunked` before spaces, not before a tab.
_TRAILING_BLANKS = re.compile(rb"(?<=[^\r\n\t ])[ \t]+(?=\r\n|\Z)")


class ResponseParser:
    """The response on one connection, fed as it arrives: its final `head` once it is complete, the body in `arrived`.

    Interim responses except 101 are skipped (RFC 9110 section 15.2). `is_complete`: the end of the body has arrived;
    `is_dirty`: data arrived that belongs to no response, so the connection cannot be used again.
    """

    def __init__(self, arrived: list[bytes], *, head_only: bool) -> None:
        """`head_only`: the response to HEAD, which never has a body."""
        self.head: Head | None = None
        self.is_complete = self.is_dirty = False
        self._arrived = arrived
        self._head_only = head_only
        self._llhttp: HttpResponseParser | None = HttpResponseParser(self)
        self._headers: list[tuple[str, str]] = []
        self._reason = ""
        self._size = self._received = 0
        self._fault: str | None = None

    def feed(self, data: bytes) -> None:
        """Parse `data`, which is not empty. Raises ProtocolError if it is not HTTP."""
        if self._llhttp is None:
            raise ProtocolError("the response was closed")
        if self.head is None:
            data = _without_tabs(data)
        self._received += len(data)  # bounds extensions and trailers, which carry no body
        try:
            self._llhttp.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.is_dirty = True
            if not self.is_complete:
                raise ProtocolError(self._fault or type(error).__name__) from None
        if self._fault is not None:
            raise ProtocolError(self._fault)
        if self._received > HEAD_BYTES and not self._arrived and not self.is_complete:
            raise ProtocolError("the head is too long" if self.head is None else "too much beside the body")

    def release(self) -> None:
        """Drop llhttp, which refers to this object: both would have to wait for the garbage collector."""
        self._llhttp = None

    # The callbacks of httptools.

    def on_message_begin(self) -> None:
        self.is_dirty = self.head is not None

    def on_status(self, reason: bytes) -> None:
        if self.head is None:
            self._reason += reason.decode("latin-1")
            self._count(len(self._reason))
            if _CONTROL.search(self._reason):
                self._fault = "a control character in the reason phrase"

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.head is not None:
            return  # a trailer: hop-by-hop here, like its chunks
        self._headers.append((name.decode("latin-1"), value.decode("latin-1").rstrip(" \t")))
        self._count(len(name) + len(value) + 4)
        if len(self._headers) > HEADER_FIELDS:
            self._fault = "too many header fields"

    def on_headers_complete(self) -> None:
        if self.head is not None:
            self.is_dirty = True
            return
        llhttp = self._llhttp
        if llhttp is None:
            return
        status = llhttp.get_status_code()
        if status < 200:
            self._pass_over(status)
            return
        if llhttp.get_http_version() not in ("1.0", "1.1"):
            self._fault = "another version of HTTP"
        # llhttp forgets at the end of a message whether the connection is kept.
        self.head = self._head(status, keeps_alive=llhttp.should_keep_alive())
        self.is_complete = self._head_only
        self._received = 0

    def on_body(self, data: bytes) -> None:
        self._received = 0
        if self.is_complete:
            self.is_dirty = True
        else:
            self._arrived.append(data)

    def on_message_complete(self) -> None:
        self.is_complete = self.head is not None

    def _pass_over(self, status: int) -> None:
        if status == 101 or status < 100:
            self._fault = "an unasked change of protocol" if status == 101 else "no status"
        self._headers.clear()
        self._reason = ""
        self._size = self._received = 0

    def _count(self, size: int) -> None:
        self._size += size
        if size > LINE_BYTES:
            self._fault = "a header line is too long"
        elif self._size > HEAD_BYTES:
            self._fault = "the head is too long"

    def _head(self, status: int, *, keeps_alive: bool) -> Head:
        fields = fields_of(self._headers)
        length = None
        if "content-length" in fields:
            length = int(fields["content-length"])
        coding = fields.get("transfer-encoding")
        if coding is not None and coding.lower() != "chunked":
            self._fault = "an unknown transfer coding"
        is_framed = length is not None or coding is not None
        # Who frames a body that can not be there may send it yet; a 304 has the length of what it does not send (RFC
        # 9110 section 8.6).
        if is_framed and (status == 204 or (status == 304 and length is None)):
            self.is_dirty = True
        return Head(status, self._reason, self._headers, fields, length, is_framed, keeps_alive)


def _without_tabs(data: bytes) -> bytes:
    """A head without blanks at the ends of its lines, if one of them is a tab."""
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end or b"\t" not in head:
        return data
    start, line_end, lines = head.partition(b"\r\n")
    return start + line_end + _TRAILING_BLANKS.sub(b"", lines) + end + rest
