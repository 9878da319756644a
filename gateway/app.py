"""`create_app`: the engines, the hooks in the order of a request's way, the blueprints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Blueprint, Flask
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import MapAdapter

from gateway import answers, cors
from gateway.access import Access
from gateway.build import build_engines
from gateway.config import Problem, Settings
from gateway.traces import instrument


class _NoSessions(SessionInterface):
    """Flask's own session is not used: nothing is opened or saved (40 us a request)."""

    _none = NullSession()

    def open_session(self, app: Flask, request: Any) -> NullSession:
        return self._none

    def is_null_session(self, obj: object) -> bool:
        return True


class Gateway(Flask):
    """Flask with what a gateway does not need left out, by its own extension points."""

    session_interface = _NoSessions()

    def ensure_sync(self, func: Any) -> Any:
        """No view or hook is async; looking at each for every request costs 30 us."""
        return func

    def create_url_adapter(self, request: Any) -> MapAdapter | None:
        """Routes bound without a host: any Host is accepted, nothing is built from it (30 us a request)."""
        if request is None:
            return None  # for the app context: no URL is ever built
        environ = request.environ
        return MapAdapter(
            self.url_map, "gateway.invalid", "/", "", "http", request.path, environ["REQUEST_METHOD"], None
        )


def create_app(settings: Settings, blueprints: Iterable[Blueprint], warnings: tuple[Problem, ...] = ()) -> Flask:
    """The WSGI app. Building it starts nothing; `app.extensions["gateway"].start()` does.

    The order in which the hooks are registered is the request's way: scope, CORS, who asks, rate limits, who may pass.
    """
    built = build_engines(settings, warnings)
    app = Gateway("gateway", static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.extensions["gateway"] = built
    Access(built.lines, built.trusted_proxies, built.instruments, built.tracing).init_app(app)
    instrument(app, built.tracing)
    answers.init_app(app)
    cors.init_app(app, settings.frontend, settings.cors_allow_headers)
    built.identity.load_in(app)
    built.limits.init_app(app)
    built.identity.require_in(app)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    return app
