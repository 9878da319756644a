"""CORS: the frontend's origins, and nobody else's, exactly as the Fetch standard reads it."""

from __future__ import annotations

import re

from flask import Flask, Response, request
from flask_cors import cross_origin

from gateway import headers
from gateway.scope import current

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")
ALLOWED_HEADERS = ("Content-Type", "Authorization")
EXPOSED_HEADERS = (
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Request-Id",
    "ETag",
    "Location",
    "Content-Range",
    "Content-Disposition",
)
MAX_AGE_SECONDS = 600


def _unchanged(response: Response) -> Response:
    return response


def init_app(app: Flask, origins: tuple[str, ...], extra_headers: tuple[str, ...]) -> None:
    """Answer preflight requests to known routes before anything else looks at them, and mark every answer.

    `origins` are exact; `extra_headers` are request headers allowed beside ALLOWED_HEADERS.
    """

    # Everything is spelled out: the defaults reflect any origin, `null` too, and echo what headers are asked for; a
    # plain string is compared without its case, and is a regex without an end where it holds a bracket. As a decorator
    # it is asked only where there is an Origin (21 us a request otherwise).
    allowed = cross_origin(
        origins=[re.compile(re.escape(origin) + r"\Z") for origin in origins],
        methods=list(METHODS),
        allow_headers=[*ALLOWED_HEADERS, *extra_headers],
        expose_headers=list(EXPOSED_HEADERS),
        supports_credentials=True,
        send_wildcard=False,
        vary_header=False,  # it leaves the field out for a single origin: ours is always there
        always_send=False,
        automatic_options=False,
        max_age=MAX_AGE_SECONDS,
    )(_unchanged)

    @app.after_request
    def mark(response: Response) -> Response:
        if "origin" not in headers.tokens(",".join(response.headers.getlist("Vary"))):
            response.headers.add("Vary", "Origin")
        if "HTTP_ORIGIN" in current().environ:
            allowed(response)
        return response

    @app.before_request
    def preflight() -> Response | None:
        """OPTIONS asks what is allowed: it needs no token, is not limited and never forwarded."""
        if current().environ["REQUEST_METHOD"] != "OPTIONS" or request.url_rule is None:
            return None
        response = Response(status=204)
        response.headers["Allow"] = ", ".join(sorted(request.url_rule.methods or ()))
        return response
