"""A provider as a Flask application, and as one that runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from flask import Flask

from demo.identity.admin import admin
from demo.identity.endpoints import realm
from demo.identity.provider import Provider
from demo.identity.server import Server
from demo.identity.settings import ProviderSettings
from demo.serve import listen, serving


def create_provider(settings: ProviderSettings) -> Flask:
    """The provider's application; :func:`provider_of` gives what is behind it."""
    app = Flask(__name__)
    provider = Provider(settings)
    app.extensions |= {"provider": provider, "server": Server(provider)}
    app.register_blueprint(realm, url_prefix=f"/realms/{settings.realm}")
    if settings.demo_endpoints:
        app.register_blueprint(admin)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    return app


def provider_of(app: Flask) -> Provider:
    return cast(Provider, app.extensions["provider"])


@contextmanager
def running_provider(**settings: Any) -> Iterator[Provider]:
    """A provider on a free loopback port, for a test; ``settings`` as in :class:`ProviderSettings`."""
    listener = listen()
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = create_provider(ProviderSettings(base_url=base_url, **settings))
    with serving(app, listener):
        yield provider_of(app)
