"""opentelemetry-instrumentation-flask, where its price is paid knowingly: sign-in and the documents."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, request
from opentelemetry.context import Context
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.propagate import set_global_textmap
from opentelemetry.trace import Span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.scope import current
from gateway.traces.tracing import Tracing, is_instrumented, name_of, parent_of


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


class _Hooks:
    """What the instrumentation takes for the app. It gets hooks of every request, and looks at each one's URL twice: we
    call them for the sampled ones that are its own (45 us less for all others)."""

    def __init__(self, app: Flask) -> None:
        self.wsgi_app = app.wsgi_app

    def before_request(self, hook: Callable[[], None]) -> None:
        self.begin = hook

    def teardown_request(self, hook: Callable[[BaseException | None], None]) -> None:
        self.end = hook


def instrument(app: Flask, tracing: Tracing) -> None:
    """Where there is tracing, make a span of each sampled request to the INSTRUMENTED paths."""
    if tracing.provider is None:
        return
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")
    # It tells of each request whose span it did not begin.
    logging.getLogger(FlaskInstrumentor.__module__).setLevel(logging.ERROR)
    set_global_textmap(_ScopesParent())
    hooks = _Hooks(app)
    FlaskInstrumentor.instrument_app(
        hooks,
        tracer_provider=tracing.provider,
        meter_provider=NoOpMeterProvider(),
        response_hook=_as_the_scope_has_it,
        excluded_urls="",
        enable_commenter=False,
    )
    plain, traced = app.wsgi_app, hooks.wsgi_app

    def either(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        chosen = traced if is_instrumented(environ) else plain
        return chosen(environ, start_response)

    app.wsgi_app = either  # type: ignore[method-assign]

    @app.before_request
    def begin() -> None:
        scope = current()
        if scope.sampled and scope.span is None:
            hooks.begin()

    @app.teardown_request
    def end(error: BaseException | None) -> None:
        scope = current()
        if scope.sampled and scope.span is None:
            hooks.end(error)
