"""A port that is closed until it is opened."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from harness.lifetime import Lifetime
from harness.ports import free_port

Serve = Callable[[socket.socket], Any]


class Relay(Lifetime):
    """Once `open`, `serve` has each connection, in a thread of its own; all end with the `with`."""

    def __init__(self, serve: Serve) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._serve = serve
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []

    def stop(self) -> None:
        for open_socket in self._sockets:
            end(open_socket)
            open_socket.close()
        for thread in self._threads:
            thread.join(5)

    def open(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port))
        self._sockets.append(listener)
        self._run(self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                self._sockets.append(connection)
                self._run(self._one, connection)

    def _one(self, connection: socket.socket) -> None:
        with suppress(OSError):
            self._serve(connection)
        end(connection)

    def _run(self, target: Callable[..., Any], *args: Any) -> None:
        self._threads.append(threading.Thread(target=target, args=args, name="harness relay"))
        self._threads[-1].start()


def to(port: int) -> Serve:
    """Serves a connection by another port of this machine."""

    def serve(connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as other:
            back = copying(other, connection)
            copy(connection, other)
            back.join()

    return serve


def copying(source: socket.socket, target: socket.socket) -> threading.Thread:
    """A thread that copies until either ends."""
    thread = threading.Thread(target=copy, args=(source, target), name="harness relay")
    thread.start()
    return thread


def copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    end(target)


def end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
