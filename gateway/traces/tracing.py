"""Which requests are traced, and their server spans.

A request's trace id is that of its scope, sampled or not. A request that is not sampled only costs the decision (5 us);
if it failed, its spans are made when it has ended (`gateway.traces.failed`).
The gateway creates the spans of forwarded requests itself. opentelemetry-instrumentation-flask, which costs 100 us even
without sampling, creates those of sign-in and documentation pages, which are rare.
"""

from __future__ import annotations

from random import getrandbits

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Tracer

from gateway.scope import Scope
from gateway.spans import NO_TRACER
from gateway.traces import failed
from gateway.traces.light import LightTracer
from gateway.traces.request import attributes_of, complete, failure_of, name_of, parent_of

_OF_CLIENTS = frozenset({501, 508})
"""An unknown method, a loop: anybody could have as many traced as he likes."""


class Tracing:
    """Decides for each request, and keeps its server span in the scope and current while it is served."""

    def __init__(
        self,
        provider: TracerProvider | None,
        sampler: Sampler,
        ratio: float | None = None,
        tracer: LightTracer | None = None,
    ) -> None:
        """Without a `provider` nothing is traced, but a trusted proxy's decision is still passed on. `ratio` is the
        constant ratio of `sampler` for new traces, if it has one: asking it costs 10 us."""
        self.provider = provider
        self._bound = None if ratio is None else TraceIdRatioBased.get_bound_for_rate(ratio)
        self.tracer: Tracer = tracer or NO_TRACER
        self._light = tracer
        self._sampler = sampler

    def begin(self, scope: Scope) -> None:
        """Decide, and start the server span if the request is sampled."""
        if self.provider is None:
            return
        scope.sampled = self._decides(scope)
        if not scope.sampled or scope.marks.instrumented:
            return
        name = name_of(scope.environ["REQUEST_METHOD"])
        span = self.tracer.start_span(name, parent_of(scope), SpanKind.SERVER, attributes_of(scope))
        scope.span = trace.set_span_in_context(span)
        scope.span_token = contexts.attach(scope.span)

    @staticmethod
    def served(scope: Scope) -> None:
        """The view has returned; the response may still be sent, possibly by another greenlet."""
        if scope.span_token is not None:
            contexts.detach(scope.span_token)
            scope.span_token = None

    def end(self, scope: Scope, method: str, status: int) -> bool:
        """The response was sent. Returns whether the request has a trace."""
        if self._light is None:
            return False
        failure = failure_of(scope, status)
        if scope.span is not None:
            span = trace.get_current_span(scope.span)
            complete(span, scope, method, status, failure)
            span.end()
            return True
        if not scope.sampled:
            if failure is None or status in _OF_CLIENTS or scope.marks.quiet:
                return False
            failed.record(self._light, scope, method, status, failure)
        return True

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
