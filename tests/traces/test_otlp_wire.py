"""OTLP written by hand says what the generated classes say, of any span that the gateway makes."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from gateway.traces import otlp_wire

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
NUMBERS = st.integers(-(1 << 63), (1 << 63) - 1)
ATTRIBUTES = st.dictionaries(TEXTS, st.one_of(TEXTS, NUMBERS, st.booleans(), st.floats(allow_nan=False)), max_size=6)
TIMES = st.integers(0, (1 << 64) - 1)
RESOURCES = [Resource({"service.name": "api-gateway", "a": "é" * 200}), Resource({"service.name": "another"})]
SCOPES = [InstrumentationScope("gateway"), InstrumentationScope("another")]


@st.composite
def contexts(draw: st.DrawFn) -> SpanContext:
    trace_id, span_id = draw(st.integers(1, (1 << 128) - 1)), draw(st.integers(1, (1 << 64) - 1))
    return SpanContext(trace_id, span_id, draw(st.booleans()), TraceFlags(TraceFlags.SAMPLED))


@st.composite
def spans(draw: st.DrawFn) -> ReadableSpan:
    return ReadableSpan(
        draw(TEXTS),
        draw(contexts()),
        draw(st.none() | contexts()),
        draw(st.sampled_from(RESOURCES)),
        draw(ATTRIBUTES),
        kind=draw(st.sampled_from(list(SpanKind))),
        status=Status(draw(st.sampled_from(list(StatusCode)))),
        start_time=draw(TIMES),
        end_time=draw(TIMES),
        instrumentation_scope=draw(st.sampled_from(SCOPES)),
    )


def reported(request: ExportTraceServiceRequest) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Each span with its resource and scope: how they are grouped is free."""
    for of_resource in request.resource_spans:
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield tuple(
                    part.SerializeToString(deterministic=True) for part in (of_resource.resource, of_scope.scope, span)
                )


@given(st.lists(spans(), max_size=5))
def test_says_what_the_generated_classes_say(made: list[ReadableSpan]) -> None:
    by_hand = ExportTraceServiceRequest.FromString(otlp_wire.encode_spans(made))
    assert sorted(reported(by_hand)) == sorted(reported(encode_spans(made)))
