"""The whole document, put together."""

from __future__ import annotations

from dataclasses import dataclass

from blueprints.docs.openapi import auth, health, interviews, itself, media, metrics, users
from blueprints.docs.openapi.headers import HEADER_COMPONENTS, PARAMETERS
from blueprints.docs.openapi.nodes import Node
from blueprints.docs.openapi.overview import OVERVIEW
from blueprints.docs.openapi.responses import responses
from blueprints.docs.openapi.schemas import schemas
from gateway.services import INTERVIEWS, MEDIA, USERS

BEARER: Node = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "An access token that Keycloak issued for this platform. It wins over a cookie.",
}

PAGES = ((USERS, users), (INTERVIEWS, interviews), (MEDIA, media))
"""The page of each service: its `TAG`, and its `paths(max_body)`."""


def _session_cookie(name: str) -> Node:
    return {
        "type": "apiKey",
        "in": "cookie",
        "name": name,
        "description": "The cookie of a session, which `/auth/callback` sets. It serves a write only from a page of the"
        " frontend. A long one is split: `-1`, `-2` follow the name.",
    }


@dataclass(frozen=True)
class Facts:
    """What of a deployment's settings a client can notice: the names of the `services` that are configured, what
    `/health` names (`peers`), the largest request body in bytes, `max_upload` where a service takes uploads and
    `max_body` elsewhere, the `cookie` that carries the access token, and `url`, the gateway as the browser sees it."""

    services: frozenset[str]
    peers: tuple[str, ...]
    max_body: int
    max_upload: int
    cookie: str
    url: str


def document(facts: Facts) -> Node:
    """The OpenAPI document of a gateway with these settings. A new service adds its page to PAGES."""
    owners = [(spec, page) for spec, page in PAGES if spec.name in facts.services]
    tags = [auth.TAG, *(page.TAG for _, page in owners), health.TAG, metrics.TAG, itself.TAG]
    return {
        "openapi": "3.1.0",
        # The API's version, not the program's: who runs which release is nobody's business.
        "info": {"title": "AI video-interview platform: API gateway", "version": "1", "description": OVERVIEW},
        # Absolute: generators, and what imports the document from a file, know no address that it came from.
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
