"""CORS: the frontend's origins, and nobody else's, exactly as the Fetch standard reads it."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask, Response, request
from flask_cors import cross_origin
from flask_cors.core import get_cors_headers, get_cors_options
from werkzeug.datastructures import Headers

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


_VARY = (("Vary", "Origin"),)


def _headers(options: Any, origin: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, str(value)) for name, value in get_cors_headers(options, Headers({"Origin": origin}), "GET").items()
    )


def _unchanged(response: Response) -> Response:
    return response


def init_app(app: Flask, origins: tuple[str, ...], extra_headers: tuple[str, ...]) -> None:
    """Answer preflight requests to known routes before anything else looks at them, and mark every answer.

    `origins` are exact; `extra_headers` are request headers allowed beside ALLOWED_HEADERS.
    """

    # Everything is spelled out: the defaults reflect any origin, `null` too, and echo what headers are asked for; a
    # plain string is compared without its case, and is a regex without an end where it holds a bracket.
    options: dict[str, Any] = {
        "origins": [re.compile(re.escape(origin) + r"\Z") for origin in origins],
        "methods": list(METHODS),
        "allow_headers": [*ALLOWED_HEADERS, *extra_headers],
        "expose_headers": list(EXPOSED_HEADERS),
        "supports_credentials": True,
        "send_wildcard": False,
        "vary_header": False,  # it leaves the field out for a single origin: ours is always there
        "always_send": False,
        "max_age": MAX_AGE_SECONDS,
    }
    preflighted = cross_origin(**options, automatic_options=False)(_unchanged)
    # What it says to all but preflight depends on the origin alone: it is asked once for each (60 us a request).
    said = {origin: _headers(get_cors_options(app, options), origin) for origin in origins}

    @app.after_request
    def mark(response: Response) -> Response:
        fields = response.headers
        vary = fields.getlist("Vary")
        if not vary or "origin" not in headers.tokens(",".join(vary)):
            headers.put(fields, _VARY)
        environ = current().environ
        if "HTTP_ORIGIN" not in environ:
            return response
        if environ["REQUEST_METHOD"] == "OPTIONS":
            return preflighted(response)
        headers.put(fields, said.get(environ["HTTP_ORIGIN"], ()))
        return response

    @app.before_request
    def preflight() -> Response | None:
        """OPTIONS asks what is allowed: it needs no token, is not limited and never forwarded."""
        if current().environ["REQUEST_METHOD"] != "OPTIONS" or request.url_rule is None:
            return None
        response = Response(status=204)
        response.headers["Allow"] = ", ".join(sorted(request.url_rule.methods or ()))
        return response
