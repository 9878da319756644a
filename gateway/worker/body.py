"""Reads a request's body as it arrives: gunicorn's own readers wait until a whole piece is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.errors import ChunkMissingTerminator, NoMoreData

PIECE_BYTES = 65_536


class ArrivingBody(Body):
    """gunicorn's body, which can also be read as it arrives. Use either `read` or `read_arrived`, not both."""

    reader: Any

    @property
    def received(self) -> int:
        """How many bytes of it were read, without the framing of chunks."""
        count: int = self.reader.received
        return count

    @property
    def has_arrived(self) -> bool:
        """Whether there is something to read without waiting. If not, the next bytes wake the socket."""
        arrived: bool = self.reader.has_arrived
        return arrived

    def read_arrived(self) -> bytes:
        """The part of the body that has arrived; waits for at least a byte. Empty at its end, or at the end of the
        connection. Raises gunicorn's exceptions for invalid chunks."""
        try:
            piece: bytes = self.reader.read_arrived()
        except BaseException:
            self.failed = True  # where the next request starts is unknown
            raise
        return piece


class ArrivingLength(LengthReader):
    """A body with a Content-Length."""

    def __init__(self, unreader: Any, length: int) -> None:
        super().__init__(unreader, length)
        self._declared = length

    @property
    def received(self) -> int:
        return int(self._declared - self.length)

    @property
    def has_arrived(self) -> bool:
        return bool(self.unreader.buf.getbuffer().nbytes)

    def read_arrived(self) -> bytes:
        if not self.length:
            return b""
        data = self.unreader.read(None, read_ahead=min(self.length, PIECE_BYTES))
        piece: bytes = data[: self.length]
        if len(piece) < len(data):
            self.unreader.unread(data[len(piece) :])
        self.length -= len(piece)
        return piece


class ArrivingChunks(ChunkedReader):
    """A chunked body. Unused bytes stay in the unreader, so that it is known whether more has arrived."""

    def __init__(self, req: Any, unreader: Any) -> None:
        super().__init__(req, unreader)
        self.unreader = unreader
        self.parser: Iterator[bytes] | None
        self.received = 0
        self._left = 0
        self._is_first = True

    @property
    def has_arrived(self) -> bool:
        """Some data of a chunk, or the line with its size; also invalid input."""
        data = self.unreader.buf.getvalue()
        if self._left or not data:
            return bool(data)
        if not self._is_first:
            if not data.startswith(b"\r\n"[: len(data)]):
                return True
            data = data[2:]
        end = data.find(b"\r\n")
        return len(data) > (end + 2 if end >= 0 else int(self.limit_chunk_size_line))

    def read_arrived(self) -> bytes:
        piece = next(self.parser, None) if self.parser is not None else None
        if piece is None:
            self.parser = None
            return b""
        return piece

    def parse_chunked(self, unreader: Any) -> Iterator[bytes]:
        """The data of the chunks in pieces as they arrive (RFC 9112 section 7.1)."""
        size, rest = self.parse_chunk_size(unreader)
        while size > 0:
            self._is_first = False
            self._left = size
            unreader.unread(rest)
            while self._left:
                data = unreader.read(None, read_ahead=min(self._left, PIECE_BYTES))
                if not data:
                    raise NoMoreData()
                piece = data[: self._left]
                self._left -= len(piece)
                self.received += len(piece)
                unreader.unread(data[len(piece) :])
                yield piece
            end = unreader.read(2)
            if not end:
                raise NoMoreData()
            if end != b"\r\n":
                raise ChunkMissingTerminator(end)
            size, rest = self.parse_chunk_size(unreader)


def arriving(body: Body, request: Any) -> Body:
    """Wrap gunicorn's `body` so that it can be read as it arrives."""
    reader = body.reader
    if isinstance(reader, LengthReader):
        return ArrivingBody(ArrivingLength(reader.unreader, reader.length))
    if isinstance(reader, ChunkedReader):
        return ArrivingBody(ArrivingChunks(request, request.unreader))
    return body
