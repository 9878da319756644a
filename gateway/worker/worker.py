"""The gunicorn worker: what gunicorn leaves open about slow, silent, broken and leaving clients, and about the end.

gunicorn's parser, response and signals are used as they are. This class adds a deadline for the request's head, idle
connections that close at once when the worker stops, refusals of the parser in our one error shape, connections that
are aborted (and not ended) where an answer was cut short, and an answer's head and first piece in one send.
"""

from __future__ import annotations

import socket
import struct
import sys
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any

import gevent
from gevent.event import Event as Signal
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn import util
from gunicorn.http import errors as parsing
from gunicorn.http import wsgi
from gunicorn.sock import ssl_context
from gunicorn.workers.ggevent import GeventWorker

from gateway.errors import StartFault
from gateway.worker.refusal import status_of, write_error
from gateway.worker.request import Parser, Reader, UsualRequest, usual_request
from gateway.worker.response import DRAIN_BYTES, CoalescedResponse

HEAD_SECONDS = 15.0
"""For a whole request head, from its first byte (of a connection's first request: from connecting)."""

LAST_HEAD_SECONDS = 3.0
"""The same, while the worker stops."""

SEND_SECONDS = 60.0
"""For a client to take one piece of an answer."""

RESERVED = 100
"""Of a worker's connections: with fewer left, each new request closes the one that waits longest."""

CLOSE_SECONDS = 5.0
"""For the engines to flush and end."""

MARGIN_SECONDS = 2.0
"""Of the time to stop, before the arbiter kills: a second of it to end what is still under way."""

_RESET = struct.pack("ii", 1, 0)


class CachedConfig:
    """gunicorn's configuration, which looks a setting up anew each time, with what was asked for kept: 10 us a request.
    A reload begins new workers."""

    def __init__(self, cfg: Any) -> None:
        self._cfg = cfg

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._cfg, name)
        setattr(self, name, value)
        return value


class GatewayWorker(GeventWorker):
    """A gevent worker that serves one app whose `extensions["gateway"]` has `start`, `drain` and `close`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.alive: bool
        self.cfg: Any
        # Connections between two requests, or before the first, since when, and whether they were answered before.
        self._waiting: dict[socket.socket, tuple[float, bool]] = {}
        self._heads: dict[socket.socket, float] = {}

    def init_process(self) -> None:
        self._stopping = Signal()
        self._connections = Pool(self.worker_connections)
        self.cfg = CachedConfig(self.cfg)
        self._base_environ = wsgi.base_environ(self.cfg)
        self._limits = {
            "limit_request_line": self.cfg.limit_request_line,
            "limit_request_fields": self.cfg.limit_request_fields,
            "limit_request_field_size": self.cfg.limit_request_field_size,
            "permit_unconventional_http_method": self.cfg.permit_unconventional_http_method,
        }
        super().init_process()

    def handle_exit(self, sig: Any, frame: Any) -> None:
        super().handle_exit(sig, frame)
        self._stopping.set()

    def run(self) -> None:
        """Serve until told to stop, then take no more connections, finish what is under way, end the engines."""
        self._engines = self.wsgi.extensions["gateway"]
        try:
            self._engines.start()
        except StartFault as fault:
            self.log.error("a worker can not start: %s", fault)
            gevent.sleep(1.0)  # gunicorn tries again at once
            sys.exit(1)
        servers = [self._server(sock) for sock in self.sockets]
        while self.alive:
            self.notify()
            self._close_late()
            self._stopping.wait(1.0)
        self._engines.drain()
        for server in servers:
            self._empty_queue(server)
            server.close()
        due = monotonic() + self.cfg.graceful_timeout - CLOSE_SECONDS - MARGIN_SECONDS
        while monotonic() < due and len(self._connections):
            self._close_waiting()
            self.notify()
            gevent.sleep(0.05)
        self._connections.kill(timeout=1.0)
        self._engines.close(monotonic() + CLOSE_SECONDS)

    def _server(self, sock: socket.socket) -> StreamServer:
        tls = {"ssl_context": ssl_context(self.cfg)} if self.cfg.is_ssl else {}
        sock.setblocking(True)
        server = StreamServer(sock, handle=partial(self.handle, sock.getsockname()), spawn=self._connections, **tls)
        if self.cfg.workers > 1:
            server.max_accept = 1
        server.start()
        return server

    @staticmethod
    def _empty_queue(server: StreamServer) -> None:
        """Take what has connected already: closing the listener would reset it."""
        server.stop_accepting()
        while (accepted := server.do_read()) is not None:
            server.do_handle(*accepted)

    def _close_longest_waiting(self) -> None:
        """Make room: nobody can keep others out by holding connections open."""
        for client in self._waiting:  # in the order in which they began to wait
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            return

    def _close_late(self) -> None:
        """Close connections that said nothing in time. One look for all, each second: a timer for each wait is 10 us."""
        now = monotonic()
        keepalive = self.cfg.keepalive
        for client, (since, answered) in list(self._waiting.items()):
            if now - since > (keepalive if answered else HEAD_SECONDS):
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RD)

    def _close_waiting(self) -> None:
        """Close connections that wait for a request, and those whose head does not end; one that never had a request
        gets a second to send it."""
        now = monotonic()
        over = [client for client, (since, answered) in self._waiting.items() if answered or now - since > 1.0]
        over += [client for client, since in self._heads.items() if now - since > LAST_HEAD_SECONDS]
        for client in over:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RD)

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        """One connection, from accept to close; `listener` is the address that it came to."""
        try:
            readable = gevent.get_hub().loop.io(client.fileno(), 1)
            try:
                unread = self._converse(listener, client, addr, readable)
            finally:
                readable.close()
            if unread:
                util.close_graceful(client, timeout=2.0, max_drain=1 << 30)
        except (OSError, gevent.GreenletExit):
            pass  # the client is gone, or gave no sign for too long
        except Exception:
            self.log.exception("a connection ended by an error")
        finally:
            util.close(client)

    def _converse(self, listener: Any, client: socket.socket, addr: Any, readable: Any) -> bool:
        """Serve the requests of a connection; whether there may be something of the client's still to read."""
        parser = Parser(self.cfg, client, addr)
        reader = parser.unreader = Reader(client, self.cfg.limit_request_fields)
        base = self._environ_of(client, listener, addr)
        client.settimeout(SEND_SECONDS)
        answered = False
        while True:
            since = monotonic()
            if self._connections.free_count() < RESERVED:
                self._close_longest_waiting()
            data = reader.take_buffered() or self._await_request(client, readable, since, answered=answered)
            if not data:
                return False
            request: Any = usual_request(data, reader, base, self._limits)
            if request is not None:
                parser.mesg = request
            else:
                try:
                    begun = monotonic() if answered else since
                    reader.expect_head(begun + HEAD_SECONDS, data)
                    self._heads[client] = begun
                    request = next(parser)
                except StopIteration:
                    return True
                except (parsing.ParseException, TimeoutError) as refusal:
                    self._refuse(client, addr, refusal)
                    return True
                finally:
                    self._heads.pop(client, None)
                reader.expect_body()
                client.settimeout(SEND_SECONDS)
            if not self._answer(request, listener, client, addr):
                return True
            unread = getattr(request.body.reader, "length", 1)
            if unread and not parser.finish_body(deadline=monotonic() + 1.0, max_bytes=DRAIN_BYTES):
                return True
            answered = True

    def _environ_of(self, client: socket.socket, listener: Any, addr: Any) -> dict[str, Any]:
        """What all requests of a connection have in their environ."""
        peer = (
            {"REMOTE_ADDR": addr[0], "REMOTE_PORT": str(addr[1])} if isinstance(addr, tuple) else {"REMOTE_ADDR": addr}
        )
        server = listener if isinstance(listener, tuple) else ("localhost", "")
        return {
            **self._base_environ,
            **peer,
            "SERVER_NAME": server[0],
            "SERVER_PORT": str(server[1]),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SCRIPT_NAME": "",
            "wsgi.url_scheme": "https" if self.cfg.is_ssl else "http",
            "gunicorn.socket": client,
        }

    def _await_request(self, client: socket.socket, readable: Any, since: float, *, answered: bool) -> bytes:
        """The first bytes of a request; none where the client closed, or sent nothing in time (`_close_late`).

        It waits also where they are here: a client that is quick would leave no turn to the others, and a try that
        finds nothing costs more than the wait.
        """
        self._waiting[client] = since, answered
        try:
            if not self.cfg.is_ssl:  # what TLS has read already wakes nobody
                gevent.get_hub().wait(readable)
            return client.recv(8192)
        except OSError:
            return b""
        finally:
            del self._waiting[client]

    def _answer(self, request: Any, listener: Any, client: socket.socket, addr: Any) -> bool:
        """Let the app answer; whether the connection can serve another request."""
        active = self._engines.observability.instruments.active
        active.value += 1
        try:
            return self._serve(request, listener, client, addr)
        finally:
            active.value -= 1

    def _serve(self, request: Any, listener: Any, client: socket.socket, addr: Any) -> bool:
        if type(request) is UsualRequest:
            environ = request.environ
            response = CoalescedResponse(request, client, self.cfg, self)
        else:
            response, environ = wsgi.create(
                request, client, addr, listener, self.cfg, response_class=CoalescedResponse, response_args=(self,)
            )
            if "," in environ.get("HTTP_COOKIE", ""):  # gunicorn joins two lines by a comma, RFC 9113 section 8.2.3 not
                environ["HTTP_COOKIE"] = "; ".join(value for name, value in request.headers if name == "COOKIE")
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False
            self._stopping.set()
        try:
            pieces = self.wsgi(environ, response.start_response)
            try:
                for piece in pieces:
                    response.write(piece)
                response.close()
            finally:
                pieces.close()
        except (OSError, gevent.GreenletExit):
            self._give_up(client, response)  # the client is gone, or the service, which the proxy has told
            return False
        except Exception:
            self.log.exception("an answer ended by an error")
            self._give_up(client, response)
            return False
        return not response.should_close()

    def _give_up(self, client: socket.socket, response: CoalescedResponse) -> None:
        """End a connection whose answer can not be finished so that nobody takes what came for the whole."""
        if not response.headers_sent:
            write_error(client, 500)
            return
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        client.close()

    def _refuse(self, client: socket.socket, addr: Any, refusal: Exception) -> None:
        """Answer what the parser did not take. Nothing of the request is logged: it may hold a code or a token."""
        status = status_of(refusal)
        trace_id = write_error(client, status)
        address = addr[0] if isinstance(addr, tuple) else ""
        self._engines.observability.instruments.answered("", None, status, None)
        self._engines.observability.log_writer.write(
            "info",
            f"HTTP: refused {status}",
            statusCode=status,
            ip=address,
            reason=type(refusal).__name__,
            traceId=trace_id,
        )
