"""The SDK's provider of spans: which are recorded, and under which trace id. The scope of a request says both."""

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
    """Tracing whose spans go through `pipeline`; none without one. `settings`: the standard's variables, OTEL_*."""
    os.environ.update(settings)  # the SDK reads them there; some of them may come from `.env`
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
    """As the standard's variables say; without them parent-based, PRODUCTION_RATIO in production, else all."""
    if os.environ.get("OTEL_TRACES_SAMPLER"):
        return TracerProvider(shutdown_on_exit=False).sampler  # the SDK's own reading of them
    return ParentBased(TraceIdRatioBased(PRODUCTION_RATIO if production else 1.0))


# Of the standard's samplers, those that decide about a trace that begins here by its id alone.
_RATIOS = {"always_on": 1.0, "always_off": 0.0, "traceidratio": None}


def _ratio(*, production: bool) -> float | None:
    """The share of the traces that begin here which the standard's variables want; None where they name a sampler that
    has to be asked about each."""
    name = os.environ.get("OTEL_TRACES_SAMPLER")
    if not name:
        return PRODUCTION_RATIO if production else 1.0
    name = name.lower().removeprefix("parentbased_")
    if name not in _RATIOS:
        return None
    fixed = _RATIOS[name]
    return float(os.environ.get("OTEL_TRACES_SAMPLER_ARG") or 1.0) if fixed is None else fixed


class _AsDecided(Sampler):
    """Spans of a request are recorded where its scope says so."""

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
    """A trace that begins here has the scope's trace id."""

    def generate_trace_id(self) -> int:
        return int(current().trace_id, 16)
