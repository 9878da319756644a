"""The allow-list of span attributes: no query, no header, no text of an exception is exported."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanKind, Status

ATTRIBUTES = frozenset(
    {
        "client.address",
        "db.operation.name",
        "db.system.name",
        "error.type",
        "http.request.method",
        "http.request.resend_count",
        "http.response.status_code",
        "http.route",
        "network.protocol.version",
        "server.address",
        "server.port",
        "url.full",
        "url.path",
        "url.scheme",
        "user.id",
        "user_agent.original",
    }
)

OF_CALLS = frozenset({"server.address", "server.port"})
"""Of a request it would be its Host, which the client can choose."""


class AttributeAllowlist(SpanProcessor):
    """Passes spans to another processor with only the ATTRIBUTES: events and the description of a status contain the
    text of exceptions, which may quote a URL or a header."""

    def __init__(self, to: SpanProcessor) -> None:
        self._to = to

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self._to.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        listed = ATTRIBUTES - OF_CALLS if span.kind is SpanKind.SERVER else ATTRIBUTES
        attributes = {name: value for name, value in (span.attributes or {}).items() if name in listed}
        self._to.on_end(
            ReadableSpan(
                name=span.name,
                context=span.context,
                parent=span.parent,
                resource=span.resource,
                attributes=attributes,
                kind=span.kind,
                status=Status(span.status.status_code),
                start_time=span.start_time,
                end_time=span.end_time,
                instrumentation_scope=span.instrumentation_scope,
            )
        )

    def shutdown(self) -> None:
        self._to.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._to.force_flush(timeout_millis)
