"""Logout: by the user, and by Keycloak's back channel."""

from __future__ import annotations

from itertools import chain

from flask import Response, jsonify, request

from blueprints.auth.bodies import form_field, json_fields
from blueprints.auth.routes import blueprint
from gateway import errors
from gateway.authentication import bearer
from gateway.limits import by_address
from gateway.marks import free, instrumented, limited, public
from gateway.sessions import BrowserSession, SentCookies, sent_cookies
from gateway.tokens import InvalidToken
from gateway.wiring import engines


@blueprint.post("/auth/logout")
@instrumented
@public
@free
def logout() -> Response:
    """End the session at once, and also at Keycloak if it can be reached."""
    environ, parts = request.environ, engines().sign_in
    try:
        refresh_token = json_fields(environ, "refreshToken")["refreshToken"]
        sent, token = sent_cookies(environ), bearer(environ)
    except errors.GatewayError:
        engines().limiter.count_failed_token()
        raise
    session = _session(sent) if token is None else None
    if session is not None:
        parts.authenticator.require_own_page(environ)
    principals = parts.logout.principals(token, session, refresh_token)
    if not parts.logout.is_genuine(principals, session):  # each could ask Keycloak something
        engines().limiter.count_failed_token()
    parts.logout.sign_out(principals, session, refresh_token)
    response = jsonify({"message": "Logged out successfully", **_end_session(session)})
    if token is None:
        parts.sessions.clear(response, sent)
    if engines().settings.public_url.startswith("https:"):
        response.headers["Clear-Site-Data"] = '"cache"'  # the next user of this browser sees no old data
    return response


def _session(sent: SentCookies) -> BrowserSession | None:
    """The session of the cookies, also if one of its two cookies is missing."""
    parts = engines().sign_in
    return parts.refresh.going_on(chain(parts.sessions.sessions(sent), parts.sessions.without_access(sent)))


def _end_session(session: BrowserSession | None) -> dict[str, str]:
    frontend = engines().sign_in.redirects.frontend(request.environ)
    try:
        url = engines().sign_in.logout.end_session_url(session, frontend)
    except errors.ServiceUnavailable:
        url = None
    return {"endSessionUrl": url} if url else {}


@blueprint.post("/auth/backchannel-logout")
@instrumented
@public
@limited("default", key=None)
def backchannel_logout() -> Response:
    """End a session by Keycloak's logout token; Keycloak waits for the response."""
    flow = engines().sign_in.logout
    try:
        notice = flow.verify(form_field(request.environ, "logout_token"))
    except errors.GatewayError as refusal:
        if refusal.status < 500:  # requests of others than Keycloak are counted
            engines().limiter.count(by_address())
        raise errors.BadRequest() if isinstance(refusal, InvalidToken) else refusal from None
    flow.apply(notice)
    return jsonify(message="OK")
