"""Sign-in: the redirect to Keycloak and the callback."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import parse_qs

from flask import Response, jsonify, request

from blueprints.auth.bodies import json_fields
from blueprints.auth.routes import blueprint
from gateway import errors
from gateway.errors import ErrorCode
from gateway.limits import by_address
from gateway.marks import instrumented, limited, public
from gateway.sessions import SentCookies, sent_cookies
from gateway.sign_in import LOGIN_SECONDS, Login, LoginExpired, SignedIn, cookie_of
from gateway.wiring import engines

AUTH_ERRORS: Mapping[ErrorCode, str] = MappingProxyType(
    {
        ErrorCode.LOGIN_DENIED: "access_denied",
        ErrorCode.LOGIN_EXPIRED: "expired",
        ErrorCode.MISCONFIGURED: "misconfigured",
        ErrorCode.KEYCLOAK_UNAVAILABLE: "unavailable",
        ErrorCode.RATE_LIMITED: "unavailable",
    }
)
"""The `authError` of a failed navigation by code; for other codes it is `unavailable` from status 500 on, otherwise
`failed`."""


@blueprint.post("/auth/login")
@instrumented
@public
@limited("auth", by_address)
def login() -> Response:
    """Start a login: the URL for the browser, and the cookie that binds the login to it."""
    fields = json_fields(request.environ, "redirectUri", "returnTo")
    redirects, cookies, flow = engines().sign_in.redirects, engines().sign_in.cookies, engines().sign_in.login
    frontend = redirects.frontend(request.environ)
    redirect_uri = redirects.redirect_uri(fields["redirectUri"])
    begun, value, url = flow.begin(redirect_uri, frontend, redirects.return_to(fields["returnTo"], frontend))
    response = jsonify(authUrl=url, state=begun.state)
    sent = sent_cookies(request.environ)
    for name in flow.surplus({name: cookies.values(sent, name) for name in cookies.logins(sent)}):
        cookies.remove(response, sent, name)
    cookies.write(response, sent, begun.cookie, value, LOGIN_SECONDS)
    return response


@blueprint.get("/auth/callback")
@instrumented
@public
@limited("auth", key=None)
def callback() -> Response:
    """Complete a login: JSON for a program, a redirect to the frontend for a browser's navigation."""
    if request.method == "HEAD":
        raise errors.MethodNotAllowed("GET")
    sent, navigates = sent_cookies(request.environ), _is_navigation()
    try:
        return _complete(sent, navigates=navigates)
    except errors.GatewayError as failure:
        if not navigates:
            raise
        return _failed(failure, engines().sign_in.redirects.frontend({}), "/", sent)


def _complete(sent: SentCookies, *, navigates: bool) -> Response:
    """The response to a callback, with the login's cookie removed. After a program's failed login the cookie remains
    until it expires, because the login may not have been used. Raises TooManyRequests over the rate limit, which a
    browser sees like any other failure."""
    engines().limiter.count(_by_login(sent))
    query = _query()
    flow = engines().sign_in.login
    found = _login(query.get("state", ""), sent)
    try:
        response = _signed_in(flow.complete(found, query), found, sent, navigates=navigates)
    except errors.GatewayError as failure:
        if not navigates:
            raise
        response = _failed(failure, found.frontend, found.return_to, sent)
    engines().sign_in.cookies.remove(response, sent, found.cookie)
    return response


def _by_login(sent: SentCookies) -> str:
    """The login whose genuine cookie was sent, otherwise the address, so that users who share an address are not locked
    out."""
    try:
        return f"login {_login(request.args.get('state', ''), sent).state}"
    except LoginExpired:
        return by_address()


def _login(state: str, sent: SentCookies) -> Login:
    return engines().sign_in.login.find(state, engines().sign_in.cookies.values(sent, cookie_of(state)))


def _signed_in(signed_in: SignedIn, found: Login, sent: SentCookies, *, navigates: bool) -> Response:
    tokens = signed_in.tokens
    if navigates:
        response = _to_frontend(found.frontend + found.return_to)
    else:
        response = jsonify(
            accessToken=tokens.access_token,
            refreshToken=tokens.refresh_token,
            expiresIn=tokens.expires_in,
            tokenType="Bearer",
        )
    engines().sign_in.sessions.save(response, sent, signed_in.session, tokens.refresh_expires_in)
    engines().sign_in.login.welcome(signed_in)
    return response


def _failed(failure: errors.GatewayError, frontend: str, return_to: str, sent: SentCookies) -> Response:
    """The redirect of a browser whose login failed: to the page where it started, with the reason. A user who is
    already signed in (the Back button leads to a used callback) gets no error."""
    if failure.code in (ErrorCode.LOGIN_EXPIRED, ErrorCode.RATE_LIMITED) and _is_signed_in(sent):
        return _to_frontend(frontend + return_to)
    otherwise = "unavailable" if failure.status >= 500 else "failed"
    path, hash_, fragment = return_to.partition("#")
    mark = "&" if "?" in path else "?"
    code = AUTH_ERRORS.get(failure.code, otherwise)
    return _to_frontend(f"{frontend}{path}{mark}authError={code}{hash_}{fragment}")


def _is_signed_in(sent: SentCookies) -> bool:
    parts = engines().sign_in
    return parts.refresh.active(parts.sessions.sessions(sent)) is not None


def _query() -> dict[str, str]:
    """The callback's parameters, each at most once (RFC 6749 section 3.1)."""
    try:
        values = parse_qs(request.environ["QUERY_STRING"], keep_blank_values=True, max_num_fields=50)
    except ValueError:
        raise errors.BadRequest() from None
    if any(len(value) > 1 for value in values.values()):
        raise errors.BadRequest()
    return {name: value[0] for name, value in values.items()}


def _is_navigation() -> bool:
    """Whether the request is a browser's navigation, not a program's (Fetch Metadata; RFC 9110 section 12.5.1)."""
    if request.headers.get("Sec-Fetch-Mode") == "navigate":
        return True
    accepted = request.accept_mimetypes
    return bool(accepted["text/html"] > accepted["application/json"])


def _to_frontend(url: str) -> Response:
    response = Response(status=303)
    response.headers["Location"] = url
    return response
