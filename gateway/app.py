"""`create_app`: the engines, the hooks in the order in which a request passes them, the blueprints."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from gateway.config import Problem, Settings
from gateway.hooks import (
    AccessHook,
    CorsHook,
    ErrorHook,
    InstrumentationHook,
    LoadIdentityHook,
    RateLimitHook,
    RequireIdentityHook,
    TargetHook,
    register,
)
from gateway.lean_flask import LeanFlask
from gateway.wiring import build_engines


def create_app(settings: Settings, blueprints: Iterable[Blueprint], warnings: tuple[Problem, ...] = ()) -> LeanFlask:
    """The WSGI app. Building it starts nothing; `app.extensions["gateway"].start()` does.

    The list of hooks is the path of a request: the first hook sees the request first and its response last.
    """
    engines = build_engines(settings, warnings)
    seen = engines.observability
    app = LeanFlask("gateway")
    app.extensions["gateway"] = engines
    register(
        app,
        [
            AccessHook(seen.log_writer, engines.trusted_proxies, seen.instruments, seen.tracing),
            *([InstrumentationHook(seen.tracing)] if seen.tracing.provider is not None else []),
            ErrorHook(),
            CorsHook(settings.frontend, settings.cors_allow_headers, settings.cors_expose_headers),
            TargetHook(),
            LoadIdentityHook(engines.sign_in.authenticator),
            RateLimitHook(engines.limiter),
            RequireIdentityHook(),
        ],
    )
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    return app
