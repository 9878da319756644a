"""Signing in: the way to Keycloak and back."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

from flask import Response, jsonify, request

from blueprints.auth import announce
from blueprints.auth.bodies import json_fields
from blueprints.auth.routes import blueprint, explain, log, tell
from gateway import errors
from gateway.limits import by_address
from gateway.marks import instrumented, limited, public
from gateway.sessions import LOGIN_SECONDS, BrowserSession, LoginExpired, LoginFailed, SignedIn, cookie_of, sent_cookies
from gateway.tokens import InvalidToken
from gateway.wiring import engines


@blueprint.post("/auth/login")
@instrumented
@public
@limited("auth", by_address)
def login() -> Response:
    """Begin a login: where to send the browser, and the cookie that binds the login to it."""
    fields = json_fields(request.environ, "redirectUri", "returnTo")
    redirects, cookies, sign_in = engines().sign_in.redirects, engines().sign_in.cookies, engines().sign_in.sign_in
    frontend = redirects.frontend(request.environ)
    redirect_uri = redirects.redirect_uri(fields["redirectUri"])
    begun, value, url = sign_in.begin(redirect_uri, frontend, redirects.return_to(fields["returnTo"], frontend))
    response = jsonify(authUrl=url, state=begun.state)
    sent = sent_cookies(request.environ)
    for name in sign_in.surplus({name: cookies.read(sent, name) for name in cookies.logins(sent)}):
        cookies.remove(response, sent, name)
    cookies.write(response, sent, begun.cookie, value, LOGIN_SECONDS)
    return response


def _by_login() -> str:
    """The login whose genuine cookie came along, else the address: an office behind one is not locked out."""
    state = request.args.get("state", "")
    try:
        value = engines().sign_in.cookies.read(sent_cookies(request.environ), cookie_of(state))
        return f"login {engines().sign_in.sign_in.find(state, value).state}"
    except LoginExpired:
        return by_address()


@blueprint.get("/auth/callback")
@instrumented
@public
@limited("auth", key=None)
def callback() -> Response:
    """The end of a login: JSON for a program, a redirect to the frontend for a browser's navigation."""
    if request.method == "HEAD":
        raise errors.MethodNotAllowed("GET")
    if not _is_navigation():
        return _complete(navigates=False)
    try:
        return _complete(navigates=True)
    except errors.GatewayError as failure:
        return _to_frontend(engines().sign_in.redirects.frontend({}) + "/?authError=" + _auth_error(failure))


def _complete(*, navigates: bool) -> Response:
    """The answer to a callback, with the login's cookie removed. A program's failed login keeps it until it lapses: it
    may not be used up. TooManyRequests where it is one too many, which a browser learns as any other failure."""
    engines().limiter.count(_by_login())
    query = _query()
    cookies, sign_in, sent = engines().sign_in.cookies, engines().sign_in.sign_in, sent_cookies(request.environ)
    name = cookie_of(query.get("state", ""))
    found = sign_in.find(query.get("state", ""), cookies.read(sent, name))
    try:
        if not query.get("code") and "error" not in query:
            raise errors.BadRequest("code is missing")
        iss_parameter_supported = engines().sign_in.keycloak.endpoints.iss_parameter_supported
        signed_in = sign_in.complete(found, query, iss_parameter_supported=iss_parameter_supported)
        response = _signed_in(signed_in, sent, navigates=navigates)
    except errors.GatewayError as failure:
        explain(failure)
        reason = getattr(failure, "reason", f"status {failure.status}")
        tell("login_failed", None, reason=reason)
        if not navigates:
            raise
        path, hash_, fragment = found.return_to.partition("#")
        mark = "&" if "?" in path else "?"
        response = _to_frontend(f"{found.frontend}{path}{mark}authError={_auth_error(failure)}{hash_}{fragment}")
    cookies.remove(response, sent, name)
    return response


def _signed_in(signed_in: SignedIn, sent: Mapping[str, str], *, navigates: bool) -> Response:
    tokens, login = signed_in.tokens, signed_in.login
    user_id = str(signed_in.claims["sub"])
    if navigates:
        response = _to_frontend(login.frontend + login.return_to)
    else:
        response = jsonify(
            accessToken=tokens.access_token,
            refreshToken=tokens.refresh_token,
            expiresIn=tokens.expires_in,
            tokenType="Bearer",
        )
    session = BrowserSession.of(user_id, tokens)
    engines().sign_in.sessions.save(response, sent, session, tokens.refresh_expires_in)
    try:
        engines().sign_in.revocations.sign_in(engines().sign_in.verifier.verify(tokens.access_token))
    except InvalidToken as refusal:
        log.warning("Auth: the access token of this sign-in will be refused: %s", refusal.explanation or refusal.reason)
    tell("login_success", user_id)
    announce.signed_in(signed_in.claims, tokens, session)
    return response


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
    """Whether a person's browser goes here, and not a program (Fetch Metadata; RFC 9110 section 12.5.1)."""
    if request.headers.get("Sec-Fetch-Mode") == "navigate":
        return True
    accepted = request.accept_mimetypes
    return bool(accepted["text/html"] > accepted["application/json"])


def _auth_error(failure: errors.GatewayError) -> str:
    if isinstance(failure, LoginFailed):
        return "access_denied" if failure.denied else "failed"
    if isinstance(failure, LoginExpired):
        return "expired"
    return "unavailable" if failure.status >= 500 or failure.status == 429 else "failed"


def _to_frontend(url: str) -> Response:
    response = Response(status=303)
    response.headers["Location"] = url
    return response
