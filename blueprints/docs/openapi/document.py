"""Builds the complete document."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

from blueprints.docs.openapi import auth, health, itself, metrics
from blueprints.docs.openapi.headers import HEADER_COMPONENTS, PARAMETERS
from blueprints.docs.openapi.nodes import Node
from blueprints.docs.openapi.overview import OVERVIEW
from blueprints.docs.openapi.responses import responses
from blueprints.docs.openapi.schemas import schemas
from gateway.services import SERVICES, ServiceSpec

BEARER: Node = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "An access token that Keycloak issued for this platform. It takes precedence over a cookie.",
}


class Page(Protocol):
    """A service's part of the document: the module here that has the name of its path."""

    TAG: Node

    def paths(self, max_body: int) -> Node:
        """The paths of the service; `max_body`: the largest request body in bytes."""


def _page(spec: ServiceSpec) -> Page:
    return cast(Page, import_module(f"blueprints.docs.openapi.{spec.path.strip('/')}"))


PAGES = tuple((spec, _page(spec)) for spec in SERVICES)
TAGS = {spec.name: page.TAG["name"] for spec, page in PAGES}
"""Under which tag the calls of each service stand, by its name."""


def _session_cookie(name: str) -> Node:
    return {
        "type": "apiKey",
        "in": "cookie",
        "name": name,
        "description": "The session cookie, which `/auth/callback` sets. For a write it is only accepted from a page of"
        " the frontend. A long cookie is split into several, with `-1`, `-2` after the name.",
    }


@dataclass(frozen=True)
class Facts:
    """The settings of a deployment that a client can notice: the names of the configured `services`, the names in
    `/health` (`peers`), the largest request body in bytes (`max_upload` for a service with uploads, `max_body` for
    others), the `cookie` that carries the access token, and `url`, the gateway's URL in the browser."""

    services: frozenset[str]
    peers: tuple[str, ...]
    max_body: int
    max_upload: int
    cookie: str
    url: str


def document(facts: Facts) -> Node:
    """The OpenAPI document of a gateway with these settings."""
    owners = [(spec, page) for spec, page in PAGES if spec.name in facts.services]
    tags = [auth.TAG, *(page.TAG for _, page in owners), health.TAG, metrics.TAG, itself.TAG]
    return {
        "openapi": "3.1.0",
        # The version of the API: the release of the program is not public.
        "info": {"title": "AI video-interview platform: API gateway", "version": "1", "description": OVERVIEW},
        # Absolute: generators and programs that import the document from a file do not know its origin.
        "servers": [{"url": facts.url, "description": "This gateway."}],
        "tags": tags,
        "security": [{"bearer": []}, {"session": []}],
        "paths": {
            **auth.paths(),
            **{
                path: item
                for spec, page in owners
                for path, item in page.paths(facts.max_upload if spec.uploads else facts.max_body).items()
            },
            **health.paths(facts.peers),
            **metrics.paths(),
            **itself.paths(),
        },
        "components": {
            "securitySchemes": {"bearer": BEARER, "session": _session_cookie(facts.cookie)},
            "schemas": schemas(facts.peers),
            "parameters": PARAMETERS,
            "headers": HEADER_COMPONENTS,
            "responses": responses(),
        },
    }
