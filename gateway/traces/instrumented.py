"""opentelemetry-instrumentation-flask, where its price is paid knowingly: sign-in and the documents."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from typing import Any

from flask import Flask, request
from opentelemetry.context import Context
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.propagate import set_global_textmap
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.scope import current
from gateway.traces.tracing import INSTRUMENTED, is_instrumented, name_of, parent_of

# The others, by what `Gateway.request_class` calls their URL: the path.
_EXCLUDED = f"^(?!{'|'.join(INSTRUMENTED)})"


class _ScopesParent(TraceContextTextMapPropagator):
    """The parent as the scope has it: a client's own sampled flag is not obeyed."""

    def extract(self, carrier: Any, context: Context | None = None, getter: Any = None) -> Context:
        return parent_of(current())


def _as_the_scope_has_it(span: Span | None, status: str, response_headers: Any) -> None:
    """Who asks, behind a trusted proxy too; and no name that a client makes up."""
    if span is None or not span.is_recording():
        return
    scope = current()
    span.set_attributes({"client.address": scope.client, "url.scheme": scope.proto})
    if scope.principal is not None:
        span.set_attribute("user.id", scope.principal.user_id)
    if request.url_rule is None:
        span.update_name(name_of(request.method))


def instrument(app: Flask, provider: TracerProvider | None) -> None:
    """Where there is tracing, make a span of each request to the INSTRUMENTED paths. All others go past the
    instrumentation's WSGI app, which would cost them more than all hooks of ours."""
    if provider is None:
        return
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")
    # It tells of each request that was refused before it could begin a span.
    logging.getLogger(FlaskInstrumentor.__module__).setLevel(logging.ERROR)
    set_global_textmap(_ScopesParent())
    plain = app.wsgi_app
    FlaskInstrumentor.instrument_app(
        app,
        tracer_provider=provider,
        meter_provider=NoOpMeterProvider(),
        response_hook=_as_the_scope_has_it,
        excluded_urls=_EXCLUDED,
        enable_commenter=False,
    )
    traced = app.wsgi_app

    def either(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        chosen = traced if is_instrumented(environ) else plain
        return chosen(environ, start_response)

    app.wsgi_app = either  # type: ignore[method-assign]
