"""Clients that want more than their share, in a process of their own: `python -m harness.hog KIND PORT TOKEN`.

Each kind keeps its sockets always ready; it ends when it is killed, or its standard input is closed.
"""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import repeat

from harness.repository import ROOT

LIVE = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"
REFUSED = b"GET /users/me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x.y.z\r\n\r\n"
BUSY_CONNECTIONS = 32


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 10)


def talk(client: socket.socket, first: bytes, more: bytes) -> None:
    """Send without an end, read without looking; until the other end has enough."""

    def send() -> None:
        with suppress(OSError):
            client.sendall(first)
            for piece in repeat(more):
                client.sendall(piece)

    threading.Thread(target=send, daemon=True).start()
    with suppress(OSError):
        while client.recv(1 << 20):
            pass
    client.close()


def pipelined(request: bytes) -> Callable[[int, bytes], None]:
    return lambda port, bearer: talk(connect(port), request * 500, request * 500)


def body(path: bytes, head: bytes, more: bytes) -> Callable[[int, bytes], None]:
    """A body that does not end; `bearer` where it is let in."""

    def send(port: int, bearer: bytes) -> None:
        credentials = bearer if path != b"/users/refused" else b"Authorization: Bearer x.y.z\r\n"
        talk(connect(port), b"POST %b HTTP/1.1\r\nHost: a\r\n%b%b\r\n" % (path, credentials, head), more)

    return send


def download(port: int, bearer: bytes) -> None:
    """An answer without an end, taken as fast as it comes."""
    client = connect(port)
    client.sendall(b"GET /media/endless HTTP/1.1\r\nHost: a\r\n%b\r\n" % bearer)
    while client.recv(1 << 20):
        pass


def busy(port: int, bearer: bytes) -> None:
    """Many kept connections, each of which asks again as soon as it is answered."""

    def ask() -> None:
        with connect(port) as client:
            while True:
                client.sendall(REFUSED)
                client.recv(65536)

    for _ in range(BUSY_CONNECTIONS):
        threading.Thread(target=ask, daemon=True).start()
    threading.Event().wait()


CHUNKED = b"Transfer-Encoding: chunked\r\n"
KINDS: dict[str, Callable[[int, bytes], None]] = {
    "pipelined": pipelined(LIVE),
    "pipelined and refused": pipelined(REFUSED),
    "busy": busy,
    "refused, and sends on": body(b"/users/refused", b"Content-Length: 1000000000000\r\n", bytes(1 << 20)),
    "too large, and sends on": body(b"/interviews", b"Content-Length: 1000000000000\r\n", bytes(1 << 20)),
    "an upload": body(b"/media/a", b"Content-Length: 2000000000\r\n", bytes(1 << 20)),
    "small chunks": body(b"/media/a", CHUNKED, b"1\r\na\r\n" * 10_000),
    "trailers": body(b"/media/a", CHUNKED + b"X: 0\r\n", b"0\r\n" + b"X: a\r\n" * 10_000),
    "heads": body(b"/users/refused", b"X: a\r\n" * 50, b"X: a\r\n" * 1000),
    "download": download,
}


@contextmanager
def hog(kind: str, port: int, token: str) -> Iterator[None]:
    """One at work."""
    command = [sys.executable, "-m", "harness.hog", kind, str(port), token]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"begun\n"
            yield
        finally:
            process.kill()


def main(kind: str, port: str, token: str) -> None:
    bearer = b"Authorization: Bearer %b\r\n" % token.encode()

    def again() -> None:
        while True:
            with suppress(OSError):
                KINDS[kind](int(port), bearer)

    threading.Thread(target=again, daemon=True).start()
    print("begun", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
