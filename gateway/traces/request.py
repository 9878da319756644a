"""The server span of a request: its parent, and what it says at its begin and at its end."""

from __future__ import annotations

from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext, StatusCode, TraceFlags

from gateway import http_methods
from gateway.headers import AGENT_CHARACTERS
from gateway.scope import ABORTED, CUT, Scope


def attributes_of(scope: Scope) -> dict[str, Any]:
    """What is known when the request arrives."""
    environ = scope.environ
    method = environ["REQUEST_METHOD"]
    return {
        "http.request.method": method if method in http_methods.SERVED else "_OTHER",
        "url.scheme": scope.proto,
        "url.path": scope.path,
        "client.address": scope.client,
        "network.protocol.version": environ["SERVER_PROTOCOL"].removeprefix("HTTP/"),
        "user_agent.original": environ.get("HTTP_USER_AGENT", "")[:AGENT_CHARACTERS],
    }


def name_of(method: str) -> str:
    """The span name of a request without a route. The number of names is bounded, because Jaeger lists them all."""
    return method if method in http_methods.SERVED else "HTTP"


def parent_of(scope: Scope) -> Context:
    """The client's span as the parent of the server span; no parent for a new trace."""
    parent = remote_parent(scope)
    return Context() if parent is None else trace.set_span_in_context(trace.NonRecordingSpan(parent))


def remote_parent(scope: Scope) -> SpanContext | None:
    """The client's span; None for a new trace."""
    if scope.parent_id is None:
        return None
    flags = TraceFlags(TraceFlags.SAMPLED if scope.sampled or scope.parent_sampled else TraceFlags.DEFAULT)
    return SpanContext(int(scope.trace_id, 16), int(scope.parent_id, 16), is_remote=True, trace_flags=flags)


def failure_of(scope: Scope, status: int) -> str | None:
    """The `error.type` of a request: its status from 500 on, `cut` if service or gateway broke the response off. None
    if it did not fail; a client that disconnects is no failure."""
    if status >= 500:
        return str(status)
    return "cut" if scope.broken or scope.environ.get(CUT) == ABORTED else None


def complete(span: Span, scope: Scope, method: str, status: int, failure: str | None) -> None:
    """Add what is known when the response was sent."""
    if scope.route is not None:
        span.update_name(f"{method} {scope.route}")
        span.set_attribute("http.route", scope.route)
    span.set_attribute("http.response.status_code", status)
    if scope.principal is not None:
        span.set_attribute("user.id", scope.principal.user_id)
    if failure is not None:
        span.set_attribute("error.type", failure)
        span.set_status(StatusCode.ERROR)
