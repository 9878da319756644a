"""opentelemetry-instrumentation-flask, only for the routes marked `@instrumented` because of its cost."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from flask import Flask, request
from opentelemetry.context import Context
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.propagate import set_global_textmap
from opentelemetry.trace import Span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.hooks.hook import Hook
from gateway.marks import RouteMarks, marks_of
from gateway.scope import current
from gateway.traces import Tracing
from gateway.traces.request import name_of, parent_of


class _ScopePropagator(TraceContextTextMapPropagator):
    """The parent from the scope, which does not obey the sampled flag of an untrusted client."""

    def extract(self, carrier: Any, context: Context | None = None, getter: Any = None) -> Context:
        return parent_of(current())


def _add_scope_attributes(span: Span | None, status: str, response_headers: Any) -> None:
    """The client's address, also behind a trusted proxy, and no name that a client makes up."""
    if span is None or not span.is_recording():
        return
    scope = current()
    span.set_attributes({"client.address": scope.client, "url.scheme": scope.proto})
    if scope.principal is not None:
        span.set_attribute("user.id", scope.principal.user_id)
    if request.url_rule is None:
        span.update_name(name_of(request.method))


class _HookRecorder:
    """What the instrumentation takes for the app. It gets hooks of every request, and looks at each one's URL twice: we
    call them for the sampled ones that are its own (45 us less for all others)."""

    def __init__(self, app: Flask) -> None:
        self.wsgi_app = app.wsgi_app

    def before_request(self, hook: Callable[[], None]) -> None:
        self.begin = hook

    def teardown_request(self, hook: Callable[[BaseException | None], None]) -> None:
        self.end = hook


class InstrumentationHook(Hook):
    """Where there is tracing, lets the instrumentation make a span of each sampled request to an `@instrumented`
    route. Such routes have fixed paths: whether a request is one of theirs is known before it is routed."""

    def __init__(self, tracing: Tracing) -> None:
        self._provider = tracing.provider

    def install(self, app: Flask) -> None:
        self._app = app
        os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")
        # It warns for each request whose span it did not start.
        logging.getLogger(FlaskInstrumentor.__module__).setLevel(logging.ERROR)
        set_global_textmap(_ScopePropagator())
        self._recorder = _HookRecorder(app)
        FlaskInstrumentor.instrument_app(
            self._recorder,
            tracer_provider=self._provider,
            meter_provider=NoOpMeterProvider(),
            response_hook=_add_scope_attributes,
            excluded_urls="",
            enable_commenter=False,
        )
        self._plain, self._traced = app.wsgi_app, self._recorder.wsgi_app
        app.wsgi_app = self._wsgi_app  # type: ignore[method-assign]

    def applies_to(self, marks: RouteMarks) -> bool:
        return marks.instrumented or not marks.routed  # another method on such a path

    def before_request(self) -> None:
        if self._is_instrumented():
            self._recorder.begin()

    def teardown_request(self, error: BaseException | None) -> None:
        if self._is_instrumented():
            self._recorder.end(error)

    def _wsgi_app(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        chosen = self._traced if environ["PATH_INFO"] in self._paths else self._plain
        return chosen(environ, start_response)

    @cached_property
    def _paths(self) -> frozenset[str]:
        """The paths of the instrumented routes; called after all routes were registered."""
        views = self._app.view_functions
        return frozenset(
            rule.rule for rule in self._app.url_map.iter_rules() if marks_of(views[rule.endpoint]).instrumented
        )

    @staticmethod
    def _is_instrumented() -> bool:
        scope = current()
        return scope.sampled and scope.span is None
