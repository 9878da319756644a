"""Which requests are traced, and their server spans.

A request's trace id is that of its scope, sampled or not. A request that is not sampled only costs the decision (5 us).
The gateway creates the spans of forwarded requests itself. opentelemetry-instrumentation-flask, which costs 100 us even
without sampling, creates those of sign-in and documentation pages, which are rare.
"""

from __future__ import annotations

from random import getrandbits
from typing import Any

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, TraceIdRatioBased
from opentelemetry.trace import SpanContext, SpanKind, StatusCode, TraceFlags

from gateway import http_methods
from gateway.scope import Scope
from gateway.spans import NO_TRACER


class Tracing:
    """Decides for each request, and keeps its server span in the scope and current while it is served."""

    def __init__(
        self, provider: TracerProvider | None, sampler: Sampler, ratio: float | None = None, tracer: Any = None
    ) -> None:
        """Without a `provider` nothing is traced, but a trusted proxy's decision is still passed on. `ratio` is the
        constant ratio of `sampler` for new traces, if it has one: asking it costs 10 us."""
        self.provider = provider
        self._bound = None if ratio is None else TraceIdRatioBased.get_bound_for_rate(ratio)
        self.tracer = tracer or NO_TRACER
        self._sampler = sampler

    def begin(self, scope: Scope) -> None:
        """Decide, and start the server span if the request is sampled."""
        environ = scope.environ
        if self.provider is None:
            return
        scope.sampled = self._decides(scope)
        if not scope.sampled or scope.marks.instrumented:
            return
        method = environ["REQUEST_METHOD"]
        attributes = {
            "http.request.method": method if method in http_methods.SERVED else "_OTHER",
            "url.scheme": scope.proto,
            "url.path": scope.path,
            "client.address": scope.client,
            "network.protocol.version": environ["SERVER_PROTOCOL"].removeprefix("HTTP/"),
            "user_agent.original": environ.get("HTTP_USER_AGENT", ""),
        }
        span = self.tracer.start_span(name_of(method), parent_of(scope), SpanKind.SERVER, attributes)
        scope.span = trace.set_span_in_context(span)
        scope.span_token = contexts.attach(scope.span)

    @staticmethod
    def served(scope: Scope) -> None:
        """The view has returned; the response may still be sent, possibly by another greenlet."""
        if scope.span_token is not None:
            contexts.detach(scope.span_token)
            scope.span_token = None

    @staticmethod
    def end(scope: Scope, method: str, status: int) -> None:
        """The response was sent."""
        if scope.span is None:
            return
        span = trace.get_current_span(scope.span)
        if scope.route is not None:
            span.update_name(f"{method} {scope.route}")
            span.set_attribute("http.route", scope.route)
        span.set_attribute("http.response.status_code", status)
        if scope.principal is not None:
            span.set_attribute("user.id", scope.principal.user_id)
        if status >= 500:
            span.set_attribute("error.type", str(status))
            span.set_status(StatusCode.ERROR)
        span.end()

    def _decides(self, scope: Scope) -> bool:
        if scope.parent_id is not None and scope.parent_sampled is not None:
            result = self._sampler.should_sample(parent_of(scope), int(scope.trace_id, 16), "")
        else:
            # An untrusted client may choose its trace id, and with it the decision of a ratio.
            trace_id = int(scope.trace_id, 16) if scope.parent_id is None else getrandbits(128)
            if self._bound is not None:
                return trace_id & TraceIdRatioBased.TRACE_ID_LIMIT < self._bound
            result = self._sampler.should_sample(None, trace_id, "")
        return result.decision is Decision.RECORD_AND_SAMPLE


def name_of(method: str) -> str:
    """The span name of a request without a route. The number of names is bounded, because Jaeger lists them all."""
    return method if method in http_methods.SERVED else "HTTP"


def parent_of(scope: Scope) -> Context:
    """The client's span as the parent of the server span; no parent for a new trace."""
    if scope.parent_id is None:
        return Context()
    flags = TraceFlags(TraceFlags.SAMPLED if scope.sampled or scope.parent_sampled else TraceFlags.DEFAULT)
    parent = SpanContext(int(scope.trace_id, 16), int(scope.parent_id, 16), is_remote=True, trace_flags=flags)
    return trace.set_span_in_context(trace.NonRecordingSpan(parent))
