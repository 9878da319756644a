"""Spans for Jaeger's collector as it took them before OTLP: `POST /api/traces`, a `Batch` of jaeger.thrift.

What a span's parts become there is said by OpenTelemetry's specification, "OpenTelemetry to Jaeger Transformation".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, StatusCode

from gateway.batches import post
from gateway.traces.thrift import bits64, boolean, double, i32, i64, list_of, string, struct_of
from gateway.transport import SealedSession

_HEADERS = {"Content-Type": "application/x-thrift"}  # no Content-Encoding: Jaeger answers 400 to it
_STRING, _DOUBLE, _BOOL, _LONG = range(4)
_CHILD_OF, _FOLLOWS_FROM = range(2)


class JaegerExporter:
    """Sends spans to the collector of one Jaeger."""

    def __init__(self, endpoint: str, session: SealedSession) -> None:
        """`endpoint` is JAEGER_ENDPOINT, path included (`http://localhost:14268/api/traces`). Connects to nothing."""
        self.endpoint = endpoint
        self._session = session

    def send(self, spans: Sequence[ReadableSpan]) -> None:
        """Send them in one call, each try in a call of its own. Raises RetryableFailure, PermanentFailure."""
        post(self._session, self.endpoint, batch(spans), _HEADERS)


def batch(spans: Sequence[ReadableSpan]) -> bytes:
    """The bytes of a `Batch`: the spans of one process, whose Resource is the first one's."""
    resource = spans[0].resource if spans else Resource.get_empty()
    others = {name: value for name, value in resource.attributes.items() if name != SERVICE_NAME}
    process = string(1, str(resource.attributes.get(SERVICE_NAME, "unknown_service"))) + _tags(2, others)
    return struct_of(1, process) + list_of(2, [b"".join(_span(span)) for span in spans]) + b"\0"


def _span(span: ReadableSpan) -> Iterator[bytes]:
    """The fields of a `Span`; its times are microseconds."""
    context, parent = span.context, span.parent
    start, end = span.start_time or 0, span.end_time or 0
    yield _trace_id(1, 2, context)
    yield bits64(3, context.span_id)
    yield bits64(4, parent.span_id if parent else 0)
    yield string(5, span.name)
    references = [_reference(_CHILD_OF, parent)] if parent else []
    references += [_reference(_FOLLOWS_FROM, link.context) for link in span.links]
    if references:
        yield list_of(6, references)
    yield i32(7, int(context.trace_flags))
    yield i64(8, start // 1000)
    yield i64(9, max(0, end - start) // 1000)
    yield _tags(10, dict(span.attributes or {}) | _told_apart(span))
    if span.events:
        yield list_of(11, [_log(event.timestamp, event.name, event.attributes or {}) for event in span.events])


def _told_apart(span: ReadableSpan) -> dict[str, Any]:
    """What is a field of its own in OpenTelemetry, and a tag in Jaeger."""
    tags: dict[str, Any] = {}
    if span.kind is not SpanKind.INTERNAL:
        tags["span.kind"] = span.kind.name.lower()
    if span.status.status_code is not StatusCode.UNSET:
        tags["otel.status_code"] = span.status.status_code.name
    if span.status.status_code is StatusCode.ERROR:
        tags["error"] = True
    if span.status.description:
        tags["otel.status_description"] = span.status.description
    if span.instrumentation_scope:
        tags["otel.scope.name"] = span.instrumentation_scope.name
    if span.context.trace_state:
        tags["w3c.tracestate"] = span.context.trace_state.to_header()
    return tags


def _trace_id(low: int, high: int, context: SpanContext) -> bytes:
    return bits64(low, context.trace_id) + bits64(high, context.trace_id >> 64)


def _reference(kind: int, context: SpanContext) -> bytes:
    return i32(1, kind) + _trace_id(2, 3, context) + bits64(4, context.span_id)


def _log(at: int, name: str, attributes: Mapping[str, Any]) -> bytes:
    return i64(1, at // 1000) + _tags(2, {"event": name} | dict(attributes))


def _tags(field: int, attributes: Mapping[str, Any]) -> bytes:
    return list_of(field, [string(1, name) + _value(value) for name, value in attributes.items()])


def _value(value: Any) -> bytes:
    """The type and the value of a `Tag`: a list is its JSON, and so is a number of more than 64 bits."""
    if isinstance(value, str):
        return i32(2, _STRING) + string(3, value)
    if isinstance(value, bool):
        return i32(2, _BOOL) + boolean(5, value)
    if isinstance(value, float):
        return i32(2, _DOUBLE) + double(4, value)
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return i32(2, _LONG) + i64(6, value)
    return i32(2, _STRING) + string(3, json.dumps(value, default=str, separators=(",", ":")))
