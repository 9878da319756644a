"""CORS for the frontend's origins only, as the Fetch standard defines it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flask import Flask, request
from flask import Response as FlaskResponse
from flask_cors import cross_origin
from flask_cors.core import get_cors_headers, get_cors_options
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response

from gateway import http_methods
from gateway.cors import ALLOWED_HEADERS, EXPOSED_HEADERS, MAX_AGE_SECONDS
from gateway.headers import put, tokens
from gateway.hooks.hook import Hook
from gateway.scope import current

_ASKS = "HTTP_ACCESS_CONTROL_REQUEST_METHOD"
_CREDENTIALS = frozenset({"HTTP_AUTHORIZATION", "HTTP_COOKIE"})
_VARY = (("Vary", "Origin"),)
_ANY_ORIGIN = (("Access-Control-Allow-Origin", "*"),)


class CorsHook(Hook):
    """Answers preflight requests before all other hooks, and adds CORS headers to every response."""

    def __init__(self, origins: tuple[str, ...], allowed: tuple[str, ...], exposed: tuple[str, ...]) -> None:
        """`origins` are compared exactly; `allowed` are request headers in addition to ALLOWED_HEADERS, `exposed` are
        response headers in addition to EXPOSED_HEADERS."""
        self._origins = origins
        # Everything is spelled out: the defaults reflect any origin, `null` too, and echo what headers are asked for; a
        # plain string is compared without its case, and is a regex without an end where it holds a bracket.
        self._options: dict[str, Any] = {
            "origins": [re.compile(re.escape(origin) + r"\Z") for origin in origins],
            "methods": list(http_methods.ROUTED),
            "allow_headers": [*ALLOWED_HEADERS, *allowed],
            "expose_headers": [*EXPOSED_HEADERS, *exposed],
            "supports_credentials": True,
            "send_wildcard": False,
            "vary_header": False,  # it leaves the field out for a single origin: ours is always there
            "always_send": False,
            "max_age": MAX_AGE_SECONDS,
        }
        self._preflight: Callable[[Response], Response] = cross_origin(**self._options, automatic_options=False)(
            lambda response: response
        )

    def install(self, app: Flask) -> None:
        # Except for preflight, the headers depend only on the origin: computed once for each (60 us a request).
        options = get_cors_options(app, self._options)
        self._fields = {
            origin: tuple(
                (name, str(value))
                for name, value in get_cors_headers(options, Headers({"Origin": origin}), "GET").items()
            )
            for origin in self._origins
        }

    def before_request(self) -> Response | None:
        """Answer OPTIONS, which needs no token, is not limited and never forwarded. A preflight of a frontend is
        answered on every path, so that its script can read the error that follows. What is no preflight is left to a
        view that answers OPTIONS itself, where it has credentials."""
        scope = current()
        environ = scope.environ
        if environ["REQUEST_METHOD"] != "OPTIONS":
            return None
        rule, origin = request.url_rule, environ.get("HTTP_ORIGIN")
        preflight = origin is not None and _ASKS in environ
        if rule is None and not (preflight and origin in self._fields):
            return None
        if scope.marks.answers_options and not preflight and not _CREDENTIALS.isdisjoint(environ):
            return None
        response = FlaskResponse(status=204)
        if rule is not None:
            response.headers["Allow"] = ", ".join(sorted(rule.methods or ()))
        return response

    def after_request(self, response: Response) -> Response:
        fields = response.headers
        vary = [value for name, value in fields if name == "Vary"]  # both we and `proxy.fields` write it so
        if "origin" not in tokens(",".join(vary)):
            put(fields, _VARY)
        scope = current()
        environ = scope.environ
        if "HTTP_ORIGIN" not in environ:
            return response
        if environ["REQUEST_METHOD"] == "OPTIONS" and _ASKS in environ:
            return self._preflight(response)
        put(fields, self._fields.get(environ["HTTP_ORIGIN"], _ANY_ORIGIN if scope.marks.any_origin else ()))
        return response
