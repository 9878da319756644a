"""Spans with all that spans can have."""

from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from opentelemetry.util.types import AttributeValue

SERVICE_NAME = "the-service"
RESOURCE: dict[str, AttributeValue] = {"service.name": SERVICE_NAME, "service.version": "1.2", "host.cpus": 2}
HIGH = 0x8F00_0000_0000_0001
"""Half of an id; as a signed number it is below zero."""

ATTRIBUTES: dict[str, Any] = {
    "text": "Ünïcode \0 ☃",
    "yes": True,
    "no": False,
    "whole": -5,
    "largest": (1 << 63) - 1,
    "broken": 0.5,
    "texts": ("a", "b"),
    "numbers": (1, 2),
}
MS = 1_000_000


class Ended(SpanProcessor):
    """Keeps what has ended."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


def provider(*processors: SpanProcessor, sampler: Sampler = ALWAYS_ON) -> trace.Tracer:
    """A tracer whose spans go to these."""
    made = TracerProvider(sampler, Resource(RESOURCE), shutdown_on_exit=False)
    for processor in processors:
        made.add_span_processor(processor)
    return made.get_tracer("the-scope")


def a_trace(high: int, at: int) -> list[ReadableSpan]:
    """A client's span that failed, under a server's span with all that there is, under a remote one; `high` begins the
    trace's id, the server's span lasts half a second from `at` (nanoseconds) on."""
    ended = Ended()
    tracer = provider(ended)
    sampled = TraceFlags(TraceFlags.SAMPLED)
    remote = SpanContext(high << 64 | 1 << 63, HIGH, True, sampled, TraceState([("vendor", "value")]))
    linked = SpanContext(HIGH << 64 | 5, HIGH, is_remote=True)
    server = tracer.start_span(
        "GET /users/me", trace.set_span_in_context(trace.NonRecordingSpan(remote)), SpanKind.SERVER, ATTRIBUTES,
        links=[Link(linked)], start_time=at,
    )  # fmt: skip
    server.add_event("retried", {"attempt": 2}, timestamp=at + 77 * MS)
    client = tracer.start_span("GET", trace.set_span_in_context(server), SpanKind.CLIENT, start_time=at + 7 * MS)
    client.set_status(Status(StatusCode.ERROR, "refused"))
    client.end(at + 17 * MS)
    server.set_status(StatusCode.OK)
    server.end(at + 500 * MS)
    return ended.spans
