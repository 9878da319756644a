"""Gateways for tests, of which a test says only what is its own."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from demo.identity import Provider
from harness.gateway import ROOMY, Gateway
from harness.issuer import Issuer
from harness.service import Service

DEMO_SECRET = "test-secret-not-for-production"
"""Of the client at the demo's provider."""

Services = Mapping[str, Service | str] | Collection[str]


class GatewayFactory:
    """Called, it gives a running gateway, which ends with its `with`.

    `env` is laid over what the suite has: rate limits that no test reaches by accident (unless `env` sets one of its
    own, or `limits` asks for those that the gateway has by itself), the shared issuer and services, a new folder.
    `issuer` may also be the demo's provider; `services` are name → Service or URL, or the names of shared ones.
    """

    def __init__(self, issuer: Issuer, services: Mapping[str, Service], folder: Callable[[str], Path]) -> None:
        self._issuer = issuer
        self._services = services
        self._folder = folder

    def __call__(
        self,
        env: Mapping[str, str | None] | None = None,
        *,
        limits: bool = False,
        cwd: Path | None = None,
        services: Services | None = None,
        **options: Any,
    ) -> Gateway:
        settings = dict(env or {})
        if not limits and not any(name.startswith("RATE_LIMIT_") for name in settings):
            settings = {**ROOMY, **settings}
        issuer = options.setdefault("issuer", self._issuer)
        if isinstance(issuer, Provider):
            settings = {"KEYCLOAK_ISSUER_URL": issuer.issuer, "KEYCLOAK_CLIENT_SECRET": DEMO_SECRET, **settings}
            options = {"ready": True, **options, "issuer": None}
        return Gateway(settings, services=self._urls(services), cwd=cwd or self._folder("gateway"), **options)

    def _urls(self, services: Services | None) -> dict[str, str]:
        asked = self._services if services is None else services
        if not isinstance(asked, Mapping):
            asked = {name: self._services[name] for name in asked}
        return {name: service if isinstance(service, str) else service.url for name, service in asked.items()}
