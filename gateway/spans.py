"""Spans of the gateway's calls, by OpenTelemetry's semantic conventions. None contains a URL's query."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer

NO_TRACER: Tracer = trace.NoOpTracer()


class HttpCall:
    """One HTTP call in flight: its client span, and the `status` of its response once that is known. A context manager
    that ends the span; of an error, only the type is recorded."""

    __slots__ = ("span", "status")

    def __init__(
        self, tracer: Tracer, method: str, url: str, parent: Context | None = None, *, resent: bool = False
    ) -> None:
        """Starts the span, a child of `parent` (default: of the current span)."""
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
        self.span = tracer.start_span(method, parent, SpanKind.CLIENT, attributes)
        self.status = 0

    def __enter__(self) -> HttpCall:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trail: object) -> None:
        if kind is not None:
            _mark_failed(self.span, kind.__name__)
        else:
            self.span.set_attribute("http.response.status_code", self.status)
            if self.status >= 400:
                _mark_failed(self.span, str(self.status))
        self.span.end()


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
    named = {"db.system.name": "redis", "db.operation.name": operation}
    span = tracer.start_span(operation, None, SpanKind.CLIENT, named)
    try:
        yield
    except BaseException as error:
        _mark_failed(span, type(error).__name__)
        raise
    finally:
        span.end()


def _mark_failed(span: Span, what: str) -> None:
    span.set_attribute("error.type", what)
    span.set_status(StatusCode.ERROR)
