"""Spans of the gateway's calls, by OpenTelemetry's semantic conventions. None contains a URL's query."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer

NO_TRACER: Tracer = trace.NoOpTracer()


@dataclass(slots=True)
class HttpCall:
    """One HTTP call in flight: its span, and the status of its response once that is known."""

    span: Span
    status: int = 0


@contextmanager
def http_call(
    tracer: Tracer, method: str, url: str, parent: Context | None = None, *, resent: bool = False
) -> Iterator[HttpCall]:
    """The client span of one HTTP call, a child of `parent` (default: of the current span). Of an error, only the type
    is recorded."""
    full = url.partition("?")[0].partition("#")[0]
    scheme, _, rest = full.partition("://")
    address, port = _server(scheme, rest.partition("/")[0])
    attributes: dict[str, str | int] = {
        "http.request.method": method,
        "url.full": full,
        "server.address": address,
        "server.port": port,
    }
    if resent:
        attributes["http.request.resend_count"] = 1
    with _client_span(tracer, method, attributes, parent) as span:
        call = HttpCall(span)
        yield call
        span.set_attribute("http.response.status_code", call.status)
        if call.status >= 400:
            _mark_failed(span, str(call.status))


@lru_cache(maxsize=64)
def _server(scheme: str, netloc: str) -> tuple[str, int]:
    """Host and port: few servers are called, and a URL's parts are 8 us."""
    parts = urlsplit(f"{scheme}://{netloc}")
    return parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)


def traced() -> bool:
    """Whether the current request is traced."""
    return trace.get_current_span().is_recording()


@contextmanager
def redis_call(tracer: Tracer, operation: str) -> Iterator[None]:
    """The client span of one Redis command."""
    with _client_span(tracer, operation, {"db.system.name": "redis", "db.operation.name": operation}):
        yield


@contextmanager
def _client_span(
    tracer: Tracer, name: str, attributes: Mapping[str, str | int], parent: Context | None = None
) -> Iterator[Span]:
    span = tracer.start_span(name, parent, SpanKind.CLIENT, attributes)
    try:
        yield span
    except BaseException as error:
        _mark_failed(span, type(error).__name__)
        raise
    finally:
        span.end()


def _mark_failed(span: Span, what: str) -> None:
    span.set_attribute("error.type", what)
    span.set_status(StatusCode.ERROR)
