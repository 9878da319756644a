"""Begin and end of a request: its scope is opened first, its log line is written after the response was sent."""

from __future__ import annotations

import logging
from functools import partial
from time import perf_counter
from typing import Any

from flask import Flask, request
from werkzeug.wrappers import Response

from gateway import http_methods
from gateway.clock import timestamp
from gateway.headers import AGENT_CHARACTERS, put
from gateway.hooks.hook import Hook
from gateway.instruments import Instruments
from gateway.logs import ORIGIN, LogWriter
from gateway.marks import NO_ROUTE, RouteMarks, marks_of
from gateway.scope import CUT, SENT, Scope, TrustedProxies, current, open_scope
from gateway.traces import Tracing

log = logging.getLogger("gateway.access")


class AccessHook(Hook):
    """Opens the scope and the span, and closes them with one log line and the request's metrics."""

    def __init__(
        self, log_writer: LogWriter, trusted: TrustedProxies, instruments: Instruments, tracing: Tracing
    ) -> None:
        self._log_writer = log_writer
        self._trusted = trusted
        self._instruments = instruments
        self._tracing = tracing
        self._warned = False
        self._marks: dict[str, RouteMarks] = {}

    def install(self, app: Flask) -> None:
        self._views = app.view_functions

    def before_request(self) -> None:
        asked = request._get_current_object()  # type: ignore[attr-defined]  # each look through it is 1 us
        rule = asked.url_rule
        marks = NO_ROUTE if rule is None else self._marks.get(rule.endpoint) or self._find_marks(rule.endpoint)
        scope = open_scope(asked.environ, self._trusted, rule, marks)
        self._tracing.begin(scope)
        if scope.forwarding_distrusted and not self._warned:
            self._warned = True
            log.warning(
                "a proxy at %s sends forwarding headers and is not trusted, so all its clients share one address: add"
                " it to TRUSTED_PROXIES if it is yours", scope.client,
            )  # fmt: skip

    def after_request(self, response: Response) -> Response:
        scope = current()
        put(response.headers, (("X-Request-Id", scope.request_id),))
        self._tracing.served(scope)
        response.call_on_close(partial(self._finish, scope, response.status_code))
        return response

    def _find_marks(self, endpoint: str) -> RouteMarks:
        found = self._marks[endpoint] = marks_of(self._views[endpoint])
        return found

    def _finish(self, scope: Scope, status: int) -> None:
        seconds = perf_counter() - scope.started
        method = http_methods.label(scope.environ["REQUEST_METHOD"])
        self._instruments.answered(method, scope.route, status, seconds)
        if self._tracing.end(scope, method, status):
            self._instruments.exemplars.traced(method, scope.route, status, seconds, _answered(scope), scope.trace_id)
        level = "debug" if scope.marks.quiet else "info"
        if level not in self._log_writer.levels:
            return
        principal = scope.principal
        line = {
            "timestamp": timestamp(),
            "level": level,
            **ORIGIN,
            "message": f"HTTP: {method} {scope.path} {status}",
            "method": method,
            "url": scope.path,
            "statusCode": status,
            "duration": round(seconds * 1000, 1),
            "userId": principal.user_id if principal else None,
            "traceId": scope.trace_id,
            "requestId": scope.request_id,
            "ip": scope.client,
            "userAgent": _shown(scope.environ.get("HTTP_USER_AGENT")),
            "requestBytes": getattr(scope.environ["wsgi.input"], "received", 0),
            "responseBytes": scope.environ.get(SENT, 0),
        }
        if scope.upstream is not None:
            _add_call(line, scope)
        if scope.code is not None:
            line["code"] = scope.code
        if CUT in scope.environ:
            line["cut"] = True
        self._log_writer.put(level, line)


def _answered(scope: Scope) -> tuple[str, float] | None:
    """The service that answered, and in how many seconds."""
    if scope.upstream is None or scope.upstream_seconds is None or scope.code is not None:
        return None
    return scope.upstream, scope.upstream_seconds


def _add_call(line: dict[str, Any], scope: Scope) -> None:
    """What became of the call to the service."""
    line["upstream"] = scope.upstream
    line["instance"] = scope.instance
    if scope.upstream_seconds is not None:
        line["upstreamDuration"] = round(scope.upstream_seconds * 1000, 1)
    if scope.failure is not None:
        line["kind"] = scope.failure
    if scope.retries:
        line["retries"] = scope.retries
    if scope.queue_seconds is not None:
        line["queueDuration"] = round(scope.queue_seconds * 1000, 1)
    if scope.breaker is not None:
        line["breaker"] = scope.breaker


def _shown(agent: str | None) -> str | None:
    """A User-Agent as the log shows it: its beginning, without what a terminal would obey."""
    if agent is None:
        return None
    agent = agent[:AGENT_CHARACTERS]
    if agent.isascii() and agent.isprintable():
        return agent
    text = agent.encode("latin-1").decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
