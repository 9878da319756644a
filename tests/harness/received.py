"""A request as a service sees it, and how it is taken from the socket."""

import hashlib
import socket
import threading
from dataclasses import dataclass, field
from typing import Any

from harness.fields import WithFields

PIECE = 1 << 18


@dataclass
class Received(WithFields):
    """A request as it came. `body` is cut after `Service.keep` bytes, `length` and `sha256` are of it all."""

    raw: bytes
    method: str
    target: bytes
    headers: list[tuple[str, str]]
    connection: int
    body: bytes = b""
    length: int = 0
    complete: bool = False
    ended: threading.Event = field(default_factory=threading.Event, repr=False)
    left: threading.Event = field(default_factory=threading.Event, repr=False)
    digest: Any = field(default_factory=hashlib.sha256, repr=False)

    @property
    def names(self) -> set[str]:
        return {name.lower() for name, _ in self.headers}

    @property
    def sha256(self) -> str:
        return str(self.digest.hexdigest())

    def take(self, piece: bytes, keep: int) -> None:
        self.digest.update(piece)
        self.length += len(piece)
        if len(self.body) < keep:
            self.body += piece[: keep - len(self.body)]


class Reader:
    """Takes requests from a socket: lenient, for it is to see what came, not to judge it."""

    def __init__(self, conn: socket.socket) -> None:
        self.conn = conn
        self.buffer = bytearray()

    def head(self, number: int) -> Received | None:
        while b"\r\n\r\n" not in self.buffer:
            if not self._fill():
                return None
        raw = self._take(self.buffer.index(b"\r\n\r\n") + 4)
        first, *lines = raw[:-4].split(b"\r\n")
        method, _, rest = first.partition(b" ")
        pairs = [line.decode("latin-1").partition(":") for line in lines]
        headers = [(name, value.strip(" \t")) for name, _, value in pairs]
        return Received(raw, method.decode("latin-1"), rest.rpartition(b" ")[0], headers, number)

    def body(self, received: Received, keep: int) -> None:
        length = received.all("Content-Length")
        if any("chunked" in value.lower() for value in received.all("Transfer-Encoding")):
            self._chunked(received, keep)
        elif length:
            self._sized(int(length[0]), received, keep)
        received.complete = True

    def _chunked(self, received: Received, keep: int) -> None:
        while size := int(self._line().split(b";")[0], 16):
            self._sized(size, received, keep)
            self._line()
        while self._line():
            pass

    def _sized(self, left: int, received: Received, keep: int) -> None:
        while left:
            if not self.buffer and not self._fill():
                received.left.set()
                raise ConnectionError("cut")
            piece = self._take(min(left, len(self.buffer)))
            left -= len(piece)
            received.take(piece, keep)

    def _line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            if not self._fill():
                raise ConnectionError("cut")
        return self._take(self.buffer.index(b"\r\n") + 2)[:-2]

    def _fill(self) -> bool:
        data = self.conn.recv(PIECE)
        self.buffer += data
        return bool(data)

    def _take(self, count: int) -> bytes:
        piece = bytes(self.buffer[:count])
        del self.buffer[:count]
        return piece
