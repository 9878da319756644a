"""A raw HTTP/1 client: sends exactly the bytes it is given, and tells a whole answer from a cut one.

No HTTP library is in between: malformed requests can be sent, and header order, case and framing seen.
"""

import json
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from harness.fields import WithFields

Headers = Iterable[tuple[str, str]] | dict[str, str]
PIECE = 1 << 16


class NoAnswerError(ConnectionError):
    """The connection ended before the head of an answer was complete."""


class CutError(ConnectionError):
    """The connection ended, or its chunks broke off, inside a body."""


@dataclass
class Answer(WithFields):
    """One answer; not `complete` when its body was cut short, `closed` when the peer has closed."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    version: str = "HTTP/1.1"
    body: bytes = b""
    complete: bool = False
    closed: bool = False
    raw: bytes = b""
    interim: list["Answer"] = field(default_factory=list)
    bodiless: bool = False

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


class Connection:
    """A persistent raw connection to a port of 127.0.0.1, from the address `source`, or to a Unix socket; `timeout`
    bounds each read and write."""

    def __init__(
        self, port: int | Path, *, timeout: float = 5, receive_buffer: int | None = None, source: str = ""
    ) -> None:
        family = socket.AF_INET if isinstance(port, int) else socket.AF_UNIX
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        try:
            if source:
                self.socket.bind((source, 0))
            self.socket.connect(("127.0.0.1", port) if isinstance(port, int) else str(port))
        except BaseException:
            self.socket.close()
            raise
        self.timeout = timeout
        self._buffer = bytearray()
        self._seen = bytearray()
        self._ended = self._reset = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def half_close(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def request(
        self,
        method: str,
        target: str | bytes,
        headers: Headers = (),
        body: bytes | Iterable[bytes] | None = None,
    ) -> None:
        """Send a request. Host is added unless given; bytes get a Content-Length, iterables go chunked."""
        self.send(head(method, target, headers, body))
        if isinstance(body, bytes):
            self.send(body)
        elif body is not None:
            for piece in body:
                self.send(chunk(piece))
            self.send(b"0\r\n\r\n")

    def receive(self, *, method: str = "GET") -> Answer:
        """One whole answer; a body cut short gives `complete=False` and what came of it."""
        answer = self.receive_head(method=method)
        body = bytearray()
        try:
            for piece in self.pieces(answer):
                body += piece
        except CutError:
            answer.complete = False
        answer.body, answer.raw, answer.closed = bytes(body), bytes(self._seen), self._ended
        return answer

    def receive_head(self, *, method: str = "GET", interim: bool = False) -> Answer:
        """The next answer's head; its body is for `pieces`. 1xx are gathered, or returned by `interim`."""
        earlier: list[Answer] = []
        while True:
            answer = parse_head(self._until(b"\r\n\r\n"))
            answer.bodiless = method == "HEAD" or answer.status < 200 or answer.status in (204, 304)
            if answer.status >= 200 or interim:
                answer.interim = earlier
                return answer
            earlier.append(answer)

    def pieces(self, answer: Answer) -> Iterator[bytes]:
        """The body as it comes, without its framing; CutError where it breaks off, else `answer.complete`."""
        length = answer.header("Content-Length")
        if answer.bodiless:
            pass
        elif "chunked" in (answer.header("Transfer-Encoding") or ""):
            yield from self._chunks()
        elif length is not None:
            yield from self._sized(int(length))
        else:
            yield from self._rest()
        answer.complete = True

    def closed(self, timeout: float | None = None) -> bool:
        """True when the peer closes or resets within `timeout` seconds; what is unread is thrown away."""
        self.socket.settimeout(self.timeout if timeout is None else timeout)
        try:
            while not self._ended:
                self._ended = not self.socket.recv(PIECE)
        except (TimeoutError, BlockingIOError):
            return False
        except OSError:
            self._ended = True
        finally:
            self.socket.settimeout(self.timeout)
        return self._ended

    def close(self, hard: bool = False) -> None:
        """Close; `hard` sends a reset instead of an orderly end."""
        if hard:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def rest(self) -> bytes:
        """Everything until the peer closes."""
        return b"".join(self._rest())

    def _fill(self) -> bool:
        try:
            data = self.socket.recv(PIECE)
        except ConnectionError:
            data = b""
            self._reset = True
        self._ended = not data
        self._buffer += data
        if len(self._seen) < PIECE:
            self._seen += data
        return bool(data)

    def _take(self, count: int) -> bytes:
        piece = bytes(self._buffer[:count])
        del self._buffer[:count]
        return piece

    def _until(self, mark: bytes, error: type[ConnectionError] = NoAnswerError) -> bytes:
        while mark not in self._buffer:
            if not self._fill():
                how = "was reset" if self._reset else "ended"
                raise error(f"the connection {how} after {bytes(self._buffer)!r}")
        return self._take(self._buffer.index(mark) + len(mark))

    def _sized(self, left: int) -> Iterator[bytes]:
        while left:
            if not self._buffer and not self._fill():
                raise CutError(f"{left} bytes are missing")
            piece = self._take(min(left, len(self._buffer)))
            left -= len(piece)
            yield piece

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._until(b"\r\n", CutError).split(b";")[0], 16):
            yield from self._sized(size)
            if self._until(b"\r\n", CutError) != b"\r\n":
                raise CutError("a chunk is longer than it says")
        while self._until(b"\r\n", CutError) != b"\r\n":
            pass

    def _rest(self) -> Iterator[bytes]:
        while self._buffer or self._fill():
            yield self._take(len(self._buffer))
        if self._reset:
            raise CutError("the connection was reset")


def head(method: str, target: str | bytes, headers: Headers = (), body: object = None) -> bytes:
    """The bytes of a request's head. Host is added unless given, and the framing header that `body` needs."""
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
    if not any(name.lower() == "host" for name, _ in pairs):
        pairs.insert(0, ("Host", "gateway.test"))
    if isinstance(body, bytes):
        pairs.append(("Content-Length", str(len(body))))
    elif body is not None:
        pairs.append(("Transfer-Encoding", "chunked"))
    path = target if isinstance(target, bytes) else target.encode()
    lines = [f"{name}: {value}".encode("latin-1") for name, value in pairs]
    return b"\r\n".join([method.encode() + b" " + path + b" HTTP/1.1", *lines, b"", b""])


def chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""


def parse_head(data: bytes) -> Answer:
    first, *lines = data[:-4].decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    status, _, reason = rest.partition(" ")
    if not version.startswith("HTTP/1.") or not (len(status) == 3 and status.isdigit()):
        raise ValueError(f"no status line: {first!r}")
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip() or not name:
            raise ValueError(f"no header line: {line!r}")
        headers.append((name, value.strip(" \t")))
    return Answer(int(status), reason, headers, version)


def send(port: int, data: bytes, *, timeout: float = 5, half_close: bool = False) -> Answer:
    """Send raw bytes on a fresh connection, read one answer; its end is waited for if it says so."""
    with Connection(port, timeout=timeout) as connection:
        with suppress(ConnectionError):  # refused early: the answer may be there all the same
            connection.send(data)
            if half_close:
                connection.half_close()
        return _finish(connection, data[:5].decode("latin-1").strip())


def request(
    port: int | Path,
    method: str,
    target: str | bytes,
    headers: Headers = (),
    body: bytes | Iterable[bytes] | None = None,
    *,
    timeout: float = 5,
) -> Answer:
    """One request on a fresh connection; see `Connection.request`."""
    with Connection(port, timeout=timeout) as connection:
        with suppress(ConnectionError):
            connection.request(method, target, headers, body)
        return _finish(connection, method)


def _finish(connection: Connection, method: str) -> Answer:
    answer = connection.receive(method=method)
    says_close = "close" in (answer.header("Connection") or "").lower()
    if not answer.closed:
        answer.closed = connection.closed(connection.timeout if says_close else 0.0)
    return answer
