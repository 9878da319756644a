"""`create_app`: the engines, the hooks in the order of a request's way, the blueprints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from flask import Blueprint, Flask
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import Map, MapAdapter, Rule

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


PATH_CHARACTERS = 256
"""What fits a longer path is not remembered: clients make paths up."""


class _Routes(MapAdapter):
    """The routes for one request. What fits a path is remembered (20 us a request)."""

    def __init__(self, url_map: Map, path: str, method: str) -> None:
        super().__init__(url_map, "gateway.invalid", "/", "", "http", path, method, None)

    def match(self, *args: Any, **kwargs: Any) -> Any:
        """As werkzeug's; raises its exceptions where nothing fits."""
        if args or kwargs != {"return_rule": True} or len(self.path_info) > PATH_CHARACTERS:
            return super().match(*args, **kwargs)  # not what Flask asks for a request, or not to be remembered
        rule, arguments = _matched(self.map, self.path_info, self.default_method)
        return rule, dict(arguments)


@lru_cache(maxsize=1024)
def _matched(url_map: Map, path: str, method: str) -> tuple[Rule, Mapping[str, Any]]:
    return MapAdapter.match(_Routes(url_map, path, method), return_rule=True)


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
        return _Routes(self.url_map, request.path, request.environ["REQUEST_METHOD"])


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
