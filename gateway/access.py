"""The ends of a request: its scope is opened first, its log line is written when the answer has been sent."""

from __future__ import annotations

import logging
from functools import partial
from time import perf_counter

from flask import Flask, Response, request

from gateway import errors
from gateway.headers import put
from gateway.instruments import OTHER, Instruments
from gateway.logs import SERVICE, LogWriter
from gateway.scope import KNOWN_METHODS, Scope, TrustedProxies, current, open_scope, require_sound
from gateway.traces import Tracing

log = logging.getLogger("gateway.access")

# Asked for every few seconds by machines: their lines are for debugging.
_QUIET = ("health.", "metrics.")


class Access:
    """The hook that opens the scope and the span, and closes them with one line and the request's metrics."""

    def __init__(self, lines: LogWriter, trusted: TrustedProxies, instruments: Instruments, tracing: Tracing) -> None:
        self._lines = lines
        self._trusted = trusted
        self._instruments = instruments
        self._tracing = tracing
        self._warned = False

    def init_app(self, app: Flask) -> None:
        """Be the first before and the last after a request."""

        @app.before_request
        def begin() -> None:
            asked = request._get_current_object()  # type: ignore[attr-defined]  # each look through it is 1 us
            scope = open_scope(asked.environ, self._trusted, asked.url_rule)
            self._tracing.begin(scope)
            if scope.forwarding_distrusted:
                self._warn_of_proxy(scope)
            require_sound(scope)

        @app.after_request
        def finish(response: Response) -> Response:
            scope = current()
            put(response.headers, (("X-Request-Id", scope.request_id),))
            self._tracing.served(scope)
            response.call_on_close(partial(self._over, scope, response.status_code))
            return response

    def _over(self, scope: Scope, status: int) -> None:
        seconds = perf_counter() - scope.started
        method = _told(scope.environ["REQUEST_METHOD"])
        self._instruments.answered(method, scope.route, status, seconds)
        self._tracing.end(scope, method, status)
        level = "debug" if scope.endpoint is not None and scope.endpoint.startswith(_QUIET) else "info"
        if self._lines.wants(level):
            principal = scope.principal
            self._lines.put(
                level,
                {
                    "timestamp": errors.timestamp(),
                    "level": level,
                    "service": SERVICE,
                    "message": f"HTTP: {method} {scope.path} {status}",
                    "method": method,
                    "url": scope.path,
                    "statusCode": status,
                    "duration": round(seconds * 1000, 1),
                    "userId": principal.user_id if principal else None,
                    "traceId": scope.trace_id,
                    "requestId": scope.request_id,
                    "ip": scope.client,
                },
            )

    def _warn_of_proxy(self, scope: Scope) -> None:
        if not self._warned:
            self._warned = True
            log.warning(
                "a proxy at %s sends forwarding headers and is not trusted, so its clients look like one: add its"
                " address to TRUSTED_PROXIES if it is yours", scope.client,
            )  # fmt: skip


def _told(method: str) -> str:
    """A method as it is told: one that nobody knows may be anything, the rest of a body too."""
    return method if method in KNOWN_METHODS else OTHER
