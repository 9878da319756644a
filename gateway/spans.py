"""Spans of the calls that the gateway makes, by OpenTelemetry's semantic conventions. A URL's query is in none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer

NO_TRACER: Tracer = trace.NoOpTracer()


def begin_call(tracer: Tracer, method: str, url: str, parent: Context | None = None, *, resent: bool = False) -> Span:
    """The client span of one HTTP call, a child of `parent` (default: of the current span)."""
    parts = urlsplit(url)
    attributes: dict[str, str | int] = {
        "http.request.method": method,
        "url.full": f"{parts.scheme}://{parts.netloc}{parts.path}",
        "server.address": parts.hostname or "",
        "server.port": parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0),
    }
    if resent:
        attributes["http.request.resend_count"] = 1
    return tracer.start_span(method, parent, SpanKind.CLIENT, attributes)


def end_call(span: Span, outcome: int | BaseException) -> None:
    """The call ended with a status code, or with an error, whose type alone is told."""
    if isinstance(outcome, int):
        span.set_attribute("http.response.status_code", outcome)
        failed = outcome >= 400
        if failed:
            span.set_attribute("error.type", str(outcome))
    else:
        failed = True
        span.set_attribute("error.type", type(outcome).__name__)
    if failed:
        span.set_status(StatusCode.ERROR)
    span.end()


def traced() -> bool:
    """Whether what happens now belongs to a request that is traced."""
    return trace.get_current_span().is_recording()


@contextmanager
def redis_call(tracer: Tracer, operation: str) -> Iterator[None]:
    """The client span of one Redis command."""
    attributes = {"db.system.name": "redis", "db.operation.name": operation}
    span = tracer.start_span(operation, kind=SpanKind.CLIENT, attributes=attributes)
    try:
        yield
    except BaseException as error:
        span.set_attribute("error.type", type(error).__name__)
        span.set_status(StatusCode.ERROR)
        raise
    finally:
        span.end()
