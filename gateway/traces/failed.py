"""The spans of a request that failed and was not sampled. They are made from its scope after it has ended, so that a
request that succeeds costs nothing. What was sent on says `not sampled`, as decided; the ids are those that were sent.
"""

from __future__ import annotations

from random import getrandbits
from time import monotonic, perf_counter, time_ns
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.trace import SpanContext, SpanKind, StatusCode

from gateway.scope import Scope
from gateway.traces.light import SAMPLED, LightSpan, LightTracer
from gateway.traces.request import attributes_of, complete, name_of, remote_parent
from gateway.transport import ConnectError, ConnectTimedOut, IncompleteBody, NoResponse, ProtocolError, ResponseTimeout

_FAULTS = (ConnectError, ConnectTimedOut, IncompleteBody, NoResponse, ProtocolError, ResponseTimeout)
_TYPES = {fault.kind: fault.__name__ for fault in _FAULTS}
"""The `error.type` of a failed call, as in the span of a sampled one."""


def record(tracer: LightTracer, scope: Scope, method: str, status: int, failure: str) -> None:
    """End the request's server span, and that of its calls to a service if one was called: its id is the one that the
    service got in `traceparent`."""
    now = time_ns()
    trace_id, sent_id = int(scope.trace_id, 16), int(scope.span_id, 16)
    sent = SpanContext(trace_id, sent_id, False, SAMPLED)
    began, seconds = scope.upstream_began, scope.upstream_seconds
    own = sent
    name = name_of(scope.environ["REQUEST_METHOD"])
    if scope.instance is not None and began is not None and seconds is not None:
        own = SpanContext(trace_id, getrandbits(64) or 1, False, SAMPLED)
        start = now - _nanoseconds(monotonic() - began)
        call = LightSpan(tracer, name, sent, own, SpanKind.CLIENT, _call_attributes(scope, method, status), start)
        call.set_status(StatusCode.ERROR)
        call.end(start + _nanoseconds(seconds))
    start = now - _nanoseconds(perf_counter() - scope.started)
    span = LightSpan(tracer, name, own, remote_parent(scope), SpanKind.SERVER, attributes_of(scope), start)
    complete(span, scope, method, status, failure)
    span.end(now)


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


def _call_attributes(scope: Scope, method: str, status: int) -> dict[str, Any]:
    """Of the last call: the service's own response, unless the gateway answered in its place (`code`)."""
    place = urlsplit(f"//{scope.instance}")
    attributes: dict[str, Any] = {"http.request.method": method, "server.address": place.hostname or ""}
    if place.port is not None:
        attributes["server.port"] = place.port
    if scope.retries:
        attributes["http.request.resend_count"] = scope.retries
    answered = scope.code is None
    if answered:
        attributes["http.response.status_code"] = status
    is_whole = answered and not scope.broken
    attributes["error.type"] = str(status) if is_whole else _TYPES.get(scope.failure or "", str(status))
    return attributes
