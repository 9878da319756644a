"""Sends spans to Jaeger's collector in its format before OTLP: `POST /api/traces`, a `Batch` of jaeger.thrift.

The mapping is that of OpenTelemetry's specification, "OpenTelemetry to Jaeger Transformation".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
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
_INTERNAL, _UNSET, _ERROR = SpanKind.INTERNAL, StatusCode.UNSET, StatusCode.ERROR

REMEMBERED_TAG_CHARACTERS = 128
"""Longer tags are not remembered: a path is what a client makes of it."""

REMEMBERED_NUMBERS = 65_535
"""Statuses and ports are."""


class JaegerExporter:
    """Sends spans to the collector of one Jaeger."""

    def __init__(self, endpoint: str, session: SealedSession) -> None:
        """`endpoint` is JAEGER_ENDPOINT, path included (`http://localhost:14268/api/traces`). Connects to nothing."""
        self.endpoint = endpoint
        self._session = session

    def send(self, spans: Sequence[ReadableSpan]) -> None:
        """Send the spans in one call, without a retry. Raises RetryableFailure, PermanentFailure."""
        post(self._session, self.endpoint, batch(spans), _HEADERS)


def batch(spans: Sequence[ReadableSpan]) -> bytes:
    """The bytes of a `Batch`: the spans of one process, whose Resource is the first one's."""
    resource = spans[0].resource if spans else Resource.get_empty()
    others = {name: value for name, value in resource.attributes.items() if name != SERVICE_NAME}
    process = string(1, str(resource.attributes.get(SERVICE_NAME, "unknown_service"))) + _tags(2, others)
    return struct_of(1, process) + list_of(2, list(map(_span, spans))) + b"\0"


def _span(span: ReadableSpan) -> bytes:
    """The fields of a `Span`; its times are microseconds."""
    context, parent = span.context, span.parent
    start, end = span.start_time or 0, span.end_time or 0
    trace_id = context.trace_id
    fields = [
        bits64(1, trace_id, trace_id >> 64, context.span_id, parent.span_id if parent else 0),
        string(5, span.name),
    ]
    references = [_reference(_CHILD_OF, parent)] if parent else []
    references += [_reference(_FOLLOWS_FROM, link.context) for link in span.links]
    if references:
        fields.append(list_of(6, references))
    fields += [
        i32(7, context.trace_flags),
        i64(8, start // 1000),
        i64(9, max(0, end - start) // 1000),
        _tags(10, dict(span.attributes or {}) | _own_tags(span, context)),
    ]
    if span.events:
        fields.append(list_of(11, [_log(event.timestamp, event.name, event.attributes or {}) for event in span.events]))
    return b"".join(fields)


def _own_tags(span: ReadableSpan, context: SpanContext) -> dict[str, Any]:
    """The fields of OpenTelemetry that are tags in Jaeger."""
    tags: dict[str, Any] = {}
    kind, status, scope = span.kind, span.status, span.instrumentation_scope
    code = status.status_code
    if kind is not _INTERNAL:
        tags["span.kind"] = kind.name.lower()
    if code is not _UNSET:
        tags["otel.status_code"] = code.name
    if code is _ERROR:
        tags["error"] = True
    if status.description:
        tags["otel.status_description"] = status.description
    if scope:
        tags["otel.scope.name"] = scope.name
    if context.trace_state:
        tags["w3c.tracestate"] = context.trace_state.to_header()
    return tags


def _reference(kind: int, context: SpanContext) -> bytes:
    return i32(1, kind) + bits64(2, context.trace_id, context.trace_id >> 64, context.span_id)


def _log(at: int, name: str, attributes: Mapping[str, Any]) -> bytes:
    return i64(1, at // 1000) + _tags(2, {"event": name} | dict(attributes))


def _tags(field: int, attributes: Mapping[str, Any]) -> bytes:
    tags = []
    for name, value in attributes.items():
        if type(value) is str and len(value) < REMEMBERED_TAG_CHARACTERS:
            tags.append(_text_tag(name, value))
        elif type(value) is int and 0 <= value <= REMEMBERED_NUMBERS:
            tags.append(_number_tag(name, value))
        else:
            tags.append(string(1, name) + _value(value))
    return list_of(field, tags)


# The same come again and again: names, hosts, statuses, users (10 us a span less). Apart, since 1 equals True.
@lru_cache(maxsize=4096)
def _text_tag(name: str, value: str) -> bytes:
    return string(1, name) + _value(value)


@lru_cache(maxsize=256)
def _number_tag(name: str, value: int) -> bytes:
    return string(1, name) + _value(value)


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
