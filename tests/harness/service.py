"""A service behind the gateway, on raw sockets: records what arrives, answers as badly as a test wants.

One thread per connection. What to answer is `Service.answer`, a callable of the request and the socket
(`harness.replies` has a stock of them); it returns True to have the connection closed. `Service.on_head` is
asked before the body is read, for answers that do not wait for it; it returns True when it has answered.
"""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.lifetime import Lifetime
from harness.received import Reader, Received

__all__ = ["Answerer", "Received", "Service", "echo", "reset", "shut"]

Answerer = Callable[[Received, socket.socket], Any]


def echo(received: Received, conn: socket.socket) -> None:
    """200 with a JSON description of the request."""
    echoed = {
        "method": received.method,
        "target": received.target.decode("latin-1"),
        "headers": received.headers,
        "bodyLength": received.length,
        "bodySha256": received.sha256,
    }
    body = json.dumps(echoed).encode()
    start = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    conn.sendall(start + (b"" if received.method == "HEAD" else body))


class Service(Lifetime):
    """Listens on 127.0.0.1. `stop()` and `start()` are an outage and its end, on the same port."""

    def __init__(self, *, port: int = 0, keep: int = 1 << 20, tls: tuple[Path, Path] | None = None) -> None:
        """`tls`: the files of a certificate and its key."""
        self._tls = tls
        self.port = port
        self.keep = keep
        self.requests: list[Received] = []
        self.answer: Answerer | None = None
        self.on_head: Callable[[Received, socket.socket], bool] | None = None
        self.accepted = 0
        self.probes = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def clear(self) -> None:
        """Forget the requests and the script; close the connections that are still open."""
        self.answer = self.on_head = None
        self.hang_up()
        with self._lock:
            self.requests = []

    @property
    def last(self) -> Received:
        assert self.requests, "nothing arrived"
        return self.requests[-1]

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        with self._lock:
            return len(self._open)

    def start(self) -> None:
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen(1024)
        self.port = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(
            target=self._accept, args=(self._listener,), name="service-accept", daemon=True
        )
        self._acceptor.start()

    def stop(self) -> None:
        """Refuse new connections and end all there are."""
        if self._listener is None or self._acceptor is None:
            return
        shut(self._listener)
        self._acceptor.join(5)
        self._listener.close()
        self._listener = self._acceptor = None
        self.hang_up()

    def hang_up(self) -> None:
        """End every open connection, and wait for their threads."""
        with self._lock:
            there, threads = list(self._open), list(self._threads)
        for conn in there:
            shut(conn)
        for thread in threads:
            thread.join(5)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            conn.settimeout(60)
            with self._lock:
                self.accepted += 1
                thread = threading.Thread(target=self._serve, args=(conn, self.accepted), name="service", daemon=True)
                self._open.add(conn)
                self._threads = [other for other in self._threads if other.is_alive()] + [thread]
                thread.start()

    def _serve(self, conn: socket.socket, number: int) -> None:
        try:
            if self._tls is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*self._tls)
                with self._lock:
                    self._open.discard(conn)
                    conn = context.wrap_socket(conn, server_side=True)
                    self._open.add(conn)
            reader = Reader(conn)
            while self._one(reader, conn, number):
                pass
        except (OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._open.discard(conn)
            conn.close()

    def _one(self, reader: Reader, conn: socket.socket, number: int) -> bool:
        received = reader.head(number)
        if received is None:
            return False
        if received.target == b"/health":
            self.probes += 1
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            return True
        with self._lock:
            self.requests.append(received)
        if self.on_head and self.on_head(received, conn):
            received.ended.set()
            return False
        try:
            reader.body(received, self.keep)
        finally:
            received.ended.set()
        return not (self.answer or echo)(received, conn)


def shut(sock: socket.socket) -> None:
    with suppress(OSError):  # the other end was faster
        sock.shutdown(socket.SHUT_RDWR)


def reset(conn: socket.socket) -> None:
    """End a connection with a reset instead of an orderly close."""
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()
