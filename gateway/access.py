"""The ends of a request: its scope is opened first, its log line is written when the answer has been sent."""

from __future__ import annotations

import logging
from time import perf_counter
from typing import Any

from flask import Flask, Response, g, request

from gateway.logs import Lines
from gateway.scope import Scope, TrustedProxies, current, open_scope, require_sound

log = logging.getLogger("gateway.access")

# Asked for every few seconds by machines: their lines are for debugging.
_QUIET_BLUEPRINTS = frozenset({"health"})


class Access:
    """The hook that opens the scope and closes it with one line."""

    def __init__(self, lines: Lines, trusted: TrustedProxies) -> None:
        self._lines = lines
        self._trusted = trusted
        self._warned = False

    def init_app(self, app: Flask) -> None:
        """Be the first before and the last after a request."""

        @app.before_request
        def begin() -> None:
            environ = request.environ
            scope = g.scope = open_scope(environ, self._trusted)
            if scope.forwarding_distrusted:
                self._warn_of_proxy(scope)
            require_sound(scope, environ)

        @app.after_request
        def finish(response: Response) -> Response:
            scope = current()
            response.headers["X-Request-Id"] = scope.request_id
            level = "debug" if request.blueprint in _QUIET_BLUEPRINTS else "info"
            if self._lines.wants(level):
                method, status = request.method, response.status_code
                response.call_on_close(lambda: self._write(level, method, status, scope))
            return response

    def _write(self, level: str, method: str, status: int, scope: Scope) -> None:
        principal = scope.principal
        fields: dict[str, Any] = {
            "method": method,
            "url": scope.path,
            "statusCode": status,
            "duration": round((perf_counter() - scope.started) * 1000, 1),
            "userId": principal.user_id if principal else None,
            "traceId": scope.trace_id,
            "requestId": scope.request_id,
            "ip": scope.client,
        }
        self._lines.write(level, f"HTTP: {method} {scope.path} {status}", **fields)

    def _warn_of_proxy(self, scope: Scope) -> None:
        if not self._warned:
            self._warned = True
            log.warning(
                "a proxy at %s sends forwarding headers and is not trusted, so its clients look like one: add its"
                " address to TRUSTED_PROXIES if it is yours", scope.client,
            )  # fmt: skip
