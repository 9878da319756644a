"""The whole document, put together."""

from __future__ import annotations

from dataclasses import dataclass

from blueprints.docs.openapi import auth, health, interviews, itself, media, metrics, users
from blueprints.docs.openapi.headers import HEADERS, PARAMETERS
from blueprints.docs.openapi.nodes import Node
from blueprints.docs.openapi.overview import OVERVIEW
from blueprints.docs.openapi.responses import responses
from blueprints.docs.openapi.schemas import schemas

BEARER: Node = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "An access token that Keycloak issued for this platform. It wins over a cookie.",
}


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
    """What of a deployment's settings a client can notice: whether there is a `media` service, a `redis`, a `kafka`,
    the largest request body in bytes, `max_upload` on `/media` and `max_body` elsewhere, and the `cookie` that carries
    the access token."""

    media: bool
    redis: bool
    kafka: bool
    max_body: int
    max_upload: int
    cookie: str


def document(facts: Facts) -> Node:
    """The OpenAPI document of a gateway with these settings. A new owner of paths adds its tag and its paths here."""
    tags = [auth.TAG, users.TAG, interviews.TAG, *([media.TAG] if facts.media else [])]
    tags += [health.TAG, metrics.TAG, itself.TAG]
    return {
        "openapi": "3.1.0",
        # The API's version, not the program's: who runs which release is nobody's business.
        "info": {"title": "AI video-interview platform: API gateway", "version": "1", "description": OVERVIEW},
        # Relative to this document: also right below a path of a proxy's.
        "servers": [{"url": ".", "description": "This gateway."}],
        "tags": tags,
        "security": [{"bearer": []}, {"session": []}],
        "paths": {
            **auth.paths(),
            **users.paths(facts.max_body),
            **interviews.paths(facts.max_body),
            **(media.paths(facts.max_upload) if facts.media else {}),
            **health.paths(media=facts.media, redis=facts.redis, kafka=facts.kafka),
            **metrics.paths(),
            **itself.paths(),
        },
        "components": {
            "securitySchemes": {"bearer": BEARER, "session": _session_cookie(facts.cookie)},
            "schemas": schemas(media=facts.media, redis=facts.redis, kafka=facts.kafka),
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "responses": responses(),
        },
    }
