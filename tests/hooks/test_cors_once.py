"""CORS headers that are computed once for each origin, against flask-cors asked for each response."""

import re

import pytest
from flask import Flask, request
from flask_cors import CORS
from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

from gateway import http_methods
from gateway.cors import ALLOWED_HEADERS, EXPOSED_HEADERS, MAX_AGE_SECONDS
from gateway.hooks import CorsHook, Hook, register
from gateway.lean_flask import LeanFlask
from gateway.scope import TrustedProxies, open_scope

ORIGINS = ("https://app.example", "https://app.example:8443", "http://localhost:5173")
_NOBODY = TrustedProxies(())


class Opens(Hook):
    """The scope that hooks find."""

    def before_request(self) -> None:
        open_scope({**request.environ, "RAW_URI": "/"}, _NOBODY, request.url_rule)


@pytest.fixture(scope="module")
def apps() -> tuple[Flask, Flask]:
    """(with our hook, with flask-cors for each response)."""
    ours, theirs = LeanFlask("ours"), Flask("theirs")
    register(ours, [Opens(), CorsHook(ORIGINS, (), ())])
    CORS(
        theirs,
        origins=[re.compile(re.escape(origin) + r"\Z") for origin in ORIGINS],
        methods=list(http_methods.ROUTED),
        allow_headers=list(ALLOWED_HEADERS),
        expose_headers=list(EXPOSED_HEADERS),
        supports_credentials=True,
        send_wildcard=False,
        vary_header=False,
        always_send=False,
        max_age=MAX_AGE_SECONDS,
    )
    for app in (ours, theirs):
        app.add_url_rule("/", view_func=lambda: "answered", methods=list(http_methods.ROUTED))
    return ours, theirs


def cors_headers(app: Flask, method: str, sent: dict[str, str]) -> set[tuple[str, str]]:
    found: Headers = app.test_client().open("/", method=method, headers=sent).headers
    return {
        (name.lower(), ",".join(sorted(value.split(", "))))
        for name, value in found
        if name.lower().startswith("access-control-")
    }


alike = st.sampled_from(
    [part for origin in ORIGINS for part in (origin, origin.upper(), origin + ".evil", origin[:-1])]
)
origins = (
    alike | st.sampled_from(["null", "", "*", "https://evil.example"]) | st.text("ahtps:/.el5173[]()*", max_size=24)
)


@given(
    st.sampled_from([*http_methods.ROUTED, "HEAD", "OPTIONS"]),
    origins,
    st.sampled_from(["", "GET", "PUT", "put", "TRACE"]),
    st.sampled_from(["", "authorization", "X-Unknown, Content-Type"]),
)
@example("OPTIONS", ORIGINS[0], "PUT", "authorization")
@example("GET", ORIGINS[1], "", "")
@settings(max_examples=300)
def test_the_same_headers_for_every_origin(
    apps: tuple[Flask, Flask], method: str, origin: str, asked: str, fields: str
) -> None:
    sent = {"Origin": origin}
    if asked:
        sent["Access-Control-Request-Method"] = asked
    if fields:
        sent["Access-Control-Request-Headers"] = fields
    ours, theirs = (cors_headers(app, method, sent) for app in apps)
    assert ours == theirs


def test_frontends_are_answered(apps: tuple[Flask, Flask]) -> None:
    """What is compared above is not nothing."""
    for origin in ORIGINS:
        assert ("access-control-allow-origin", origin) in cors_headers(apps[0], "GET", {"Origin": origin})
