"""The SDK's provider of spans, with the sampling decision and the trace id of the request's scope."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import SpanKind

from gateway.scope import current, serving
from gateway.traces.allowlist import AttributeAllowlist
from gateway.traces.light import LightTracer
from gateway.traces.tracing import Tracing

PRODUCTION_RATIO = 0.1


def tracing_to(pipeline: SpanProcessor | None, settings: Mapping[str, str], *, production: bool) -> Tracing:
    """Tracing with spans through `pipeline`; without one, no tracing. `settings`: the standard variables, OTEL_*."""
    os.environ.update(settings)  # the SDK reads the environment; some of them may come from `.env`
    sampler = _sampler(production=production)
    if pipeline is None:
        return Tracing(None, sampler, None)
    named = "OTEL_SERVICE_NAME" in settings or "service.name=" in settings.get("OTEL_RESOURCE_ATTRIBUTES", "")
    provider = TracerProvider(
        sampler=_AsDecided(),
        resource=Resource.create({} if named else {SERVICE_NAME: "api-gateway"}),
        shutdown_on_exit=False,
        id_generator=_ScopesTrace(),
    )
    provider.add_span_processor(AttributeAllowlist(pipeline))
    return Tracing(provider, sampler, _ratio(production=production), LightTracer(provider.resource, pipeline))


def _sampler(*, production: bool) -> Sampler:
    """The sampler of the standard variables; without them parent-based, PRODUCTION_RATIO in production, else all."""
    if os.environ.get("OTEL_TRACES_SAMPLER"):
        return TracerProvider(shutdown_on_exit=False).sampler  # the SDK's own parser
    return ParentBased(TraceIdRatioBased(PRODUCTION_RATIO if production else 1.0))


# The standard samplers that decide about a new trace only by its id.
_RATIOS = {"always_on": 1.0, "always_off": 0.0, "traceidratio": None}


def _ratio(*, production: bool) -> float | None:
    """The ratio of new traces that the standard variables request; None for a sampler that must decide about each."""
    name = os.environ.get("OTEL_TRACES_SAMPLER")
    if not name:
        return PRODUCTION_RATIO if production else 1.0
    name = name.lower().removeprefix("parentbased_")
    if name not in _RATIOS:
        return None
    fixed = _RATIOS[name]
    return float(os.environ.get("OTEL_TRACES_SAMPLER_ARG") or 1.0) if fixed is None else fixed


class _AsDecided(Sampler):
    """Records the spans of a request if its scope is sampled."""

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Any = None,
        links: Any = None,
        trace_state: Any = None,
    ) -> SamplingResult:
        scope = serving()
        sampled = scope is not None and scope.sampled
        return SamplingResult(Decision.RECORD_AND_SAMPLE if sampled else Decision.DROP, attributes)

    def get_description(self) -> str:
        return "AsDecided"


class _ScopesTrace(RandomIdGenerator):
    """Gives a new trace the trace id of the scope."""

    def generate_trace_id(self) -> int:
        return int(current().trace_id, 16)
