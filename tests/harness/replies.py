"""Answers for `Service.answer`: each function here makes one; True from one ends its connection."""

import socket
import time
from collections.abc import Iterable

from harness import service
from harness.service import Answerer, Received

Headers = Iterable[tuple[str, str]]


def raw(data: bytes, close: bool = False) -> Answerer:
    """These bytes and nothing else."""

    def answer(received: Received, conn: socket.socket) -> bool:
        conn.sendall(data)
        return close

    return answer


def head(status: int, headers: Headers = ()) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {status} Some Reason\r\n{lines}\r\n".encode("latin-1")


def sized(status: int = 200, headers: Headers = (), body: bytes = b"") -> Answerer:
    """A plain answer with Content-Length; no body where there can be none, for 204 and 304 no length."""

    def answer(received: Received, conn: socket.socket) -> None:
        length = [] if status in (204, 304) else [("Content-Length", str(len(body)))]
        bare = received.method == "HEAD" or status in (204, 304)
        conn.sendall(head(status, [*headers, *length]) + (b"" if bare else body))

    return answer


def chunked(status: int = 200, headers: Headers = (), pieces: Iterable[bytes] = (), pause: float = 0) -> Answerer:
    """The pieces as chunks, with a pause after each."""

    def answer(received: Received, conn: socket.socket) -> None:
        conn.sendall(head(status, [*headers, ("Transfer-Encoding", "chunked")]))
        for piece in pieces:
            conn.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            time.sleep(pause)
        conn.sendall(b"0\r\n\r\n")

    return answer


def large(size: int, headers: Headers = ()) -> Answerer:
    """`size` zero bytes with a Content-Length."""

    def answer(received: Received, conn: socket.socket) -> None:
        conn.sendall(head(200, [*headers, ("Content-Length", str(size))]))
        piece, left = bytes(1 << 18), size
        while left:
            left -= conn.send(piece[: min(left, len(piece))])

    return answer


def drip(data: bytes, prefix: bytes = b"", every: float = 0.1) -> Answerer:
    """`prefix` at once, then `data` byte by byte, to its end or until `received.left`."""

    def answer(received: Received, conn: socket.socket) -> bool:
        try:
            conn.sendall(prefix)
            for byte in data:
                conn.sendall(bytes([byte]))
                time.sleep(every)
        except OSError:
            received.left.set()
        return True

    return answer


def hang(prefix: bytes = b"") -> Answerer:
    """`prefix`, then nothing until the gateway has gone, which sets `received.left`."""

    def answer(received: Received, conn: socket.socket) -> bool:
        conn.sendall(prefix)
        try:
            while conn.recv(1 << 16):
                pass
        except OSError:
            pass
        received.left.set()
        return True

    return answer


def reset(prefix: bytes = b"") -> Answerer:
    """`prefix`, then the connection is reset."""

    def answer(received: Received, conn: socket.socket) -> bool:
        conn.sendall(prefix)
        service.reset(conn)
        return True

    return answer


def slow(seconds: float, then: Answerer = service.echo) -> Answerer:
    """`then` after a pause."""

    def answer(received: Received, conn: socket.socket) -> bool:
        time.sleep(seconds)
        return bool(then(received, conn))

    return answer


def by_turn(*answers: Answerer) -> Answerer:
    """The first request gets the first answer and so on; the last one stays."""
    turns = list(answers)

    def answer(received: Received, conn: socket.socket) -> bool:
        return bool((turns.pop(0) if len(turns) > 1 else turns[0])(received, conn))

    return answer


def per_path(table: dict[bytes, Answerer]) -> Answerer:
    """The answer listed for the request's target, else the echo."""

    def answer(received: Received, conn: socket.socket) -> bool:
        return bool(table.get(received.target, service.echo)(received, conn))

    return answer
