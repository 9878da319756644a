"""The response to a client: the app's, or an error in its place."""

from __future__ import annotations

import socket
import struct
from time import perf_counter
from typing import Any

import gevent
from gunicorn.http import wsgi

from gateway import errors, http_methods
from gateway.scope import ABORTED, CUT, SENT, plain_address, serving
from gateway.worker.refusal import status_of, write_error
from gateway.worker.request import StrictRequest
from gateway.worker.response import CoalescedResponse
from gateway.worker.serving import Serving
from gateway.worker.usual import UsualRequest

_RESET = struct.pack("ii", 1, 0)


class Answering:
    """Answers the requests of one connection."""

    def __init__(self, serving: Serving, client: socket.socket, addr: Any, listener: Any) -> None:
        self._serving = serving
        self._client = client
        self._addr = addr
        self._listener = listener

    def answer(self, request: UsualRequest | StrictRequest) -> bool:
        """Call the app and send its response; whether the connection can serve another request."""
        serving = self._serving
        active = serving.instruments.active
        active.value += 1
        try:
            if isinstance(request, UsualRequest):
                response = CoalescedResponse(request, self._client, serving.cfg, serving.worker, serving.turns)
                environ = request.environ
            else:
                response, environ = self._strict(request)
            serving.worker.count_request()
            return self._send(response, environ)
        finally:
            active.value -= 1

    def _strict(self, request: StrictRequest) -> tuple[CoalescedResponse, dict[str, Any]]:
        """The response, and the environ for the app, as gunicorn makes them."""
        cfg, more = self._serving.cfg, (self._serving.worker, self._serving.turns)
        response, environ = wsgi.create(request, self._client, self._addr, self._listener, cfg, CoalescedResponse, more)
        if "," in environ.get("HTTP_COOKIE", ""):  # gunicorn's join; RFC 9113 section 8.2.3
            environ["HTTP_COOKIE"] = "; ".join(value for name, value in request.headers if name == "COOKIE")
        return response, environ

    def _send(self, response: CoalescedResponse, environ: dict[str, Any]) -> bool:
        try:
            pieces = self._serving.app(environ, response.start_response)
            environ[CUT] = True  # until everything is sent
            try:
                for piece in pieces:
                    response.write(piece)
                response.close()
                del environ[CUT]
            except OSError:  # the client has disconnected, or the service, which the proxy has logged
                raise
            except BaseException:
                environ[CUT] = ABORTED
                raise
            finally:
                environ[SENT] = response.sent
                pieces.close()
        except OSError:
            self._give_up(response, 500)
            return False
        except gevent.GreenletExit:  # the worker stops and no longer waits
            # If a response had begun, its own line says so.
            trace_id = self._record_unanswered(environ) if CUT not in environ else None
            self._give_up(response, 503, trace_id)
            return False
        except Exception:
            self._serving.log.exception("a response was aborted by an error")
            self._give_up(response, 500)
            return False
        return not response.should_close()

    def _record_unanswered(self, environ: dict[str, Any]) -> str | None:
        """Log, count and trace a request whose view is given up with 503; its trace id, if it has a scope."""
        scope = serving()
        if scope is None or scope.environ is not environ:
            self._log("cut", 503, cut=True)
            return None
        method = http_methods.label(environ["REQUEST_METHOD"])
        scope.code = errors.code_of(503)
        self._serving.instruments.answered(method, scope.route, 503, perf_counter() - scope.started)
        self._serving.tracing.end(scope, method, 503)
        ids = {"traceId": scope.trace_id, "requestId": scope.request_id}
        place = {"method": method, "url": scope.path, "upstream": scope.upstream, "instance": scope.instance}
        self._log("cut", 503, cut=True, code=scope.code, **place, **ids)
        return scope.trace_id

    def _give_up(self, response: CoalescedResponse, status: int, trace_id: str | None = None) -> None:
        """Abort a connection whose response cannot be completed, so that it does not look complete."""
        if not response.headers_sent:
            write_error(self._client, status, trace_id)
            return
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._client.close()

    def refuse(self, refusal: Exception) -> None:
        """Answer a request that the parser refused. Nothing of it is logged: it may contain a code or a token."""
        status = status_of(refusal)
        trace_id = write_error(self._client, status)
        self._serving.instruments.answered(http_methods.OTHER, None, status, None)
        self._log("refused", status, reason=type(refusal).__name__, traceId=trace_id)

    def _log(self, what: str, status: int, **fields: Any) -> None:
        address = plain_address(self._addr[0]) if isinstance(self._addr, tuple) else ""
        self._serving.log_writer.write("info", f"HTTP: {what} {status}", statusCode=status, ip=address, **fields)
