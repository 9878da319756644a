"""Serving a WSGI application: from a thread for a test, or as all that a process does."""

from __future__ import annotations

import errno
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from werkzeug.serving import WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LOOPBACKS = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


def listen(port: int = 0, family: int = socket.AF_INET, host: str = "127.0.0.1") -> socket.socket:
    """A listening socket; port 0 takes a free one. ``OSError`` when the port is taken."""
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


@contextmanager
def serving(app: WSGIApplication, listener: socket.socket | None = None) -> Iterator[str]:
    """Serve from threads of this process and give the base URL; at the end no thread and no socket is left.

    Each answer closes its connection, as werkzeug has it; :func:`serve_forever` keeps connections.
    """
    listener = listener or listen()
    host, port = listener.getsockname()[:2]
    server: Any = make_server(host, port, app, threaded=True, request_handler=_Handler, fd=listener.fileno())
    listener.close()
    server.daemon_threads = False  # so that server_close() waits for those who still answer
    server.open_connections = set()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name=f"serving-{port}")
    thread.start()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.shutdown()
        thread.join()
        for connection in list(server.open_connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        server.server_close()


class _Handler(WSGIRequestHandler):
    """Quiet, and known to its server while it is connected."""

    def setup(self) -> None:
        super().setup()
        self._open().add(self.connection)

    def finish(self) -> None:
        self._open().discard(self.connection)
        super().finish()

    def log(self, type: str, message: str, *args: Any) -> None:
        if type == "error":
            super().log(type, message, *args)

    def _open(self) -> set[socket.socket]:
        return self.server.open_connections  # type: ignore[attr-defined,no-any-return]


def serve_forever(app: WSGIApplication, port: int) -> None:
    """Serve on both loopback addresses until SIGTERM or Ctrl-C, with keep-alive and chunked bodies.

    The process must be gevent's from its first import (``monkey.patch_all()``).
    """
    import gevent.event
    from gevent.pywsgi import WSGIServer

    servers = [WSGIServer(listener, app, log=None) for listener in listeners(port)]
    for server in servers:
        server.start()
    stopped = gevent.event.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stopped.set)
    stopped.wait()
    for server in servers:
        server.stop(timeout=1)


def listeners(port: int) -> list[socket.socket]:
    """A socket on each loopback address this machine has: ``localhost`` may mean either."""
    opened: list[socket.socket] = []
    for family, host in LOOPBACKS:
        try:
            opened.append(listen(port, family, host))
        except OSError as error:
            if family == socket.AF_INET:
                raise
            if error.errno == errno.EADDRINUSE:
                for listener in opened:
                    listener.close()
                raise
    return opened
