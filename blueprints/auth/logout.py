"""Every way out: the user's, and Keycloak's word that a session is over."""

from __future__ import annotations

from time import time

from flask import Response, jsonify, request

from blueprints.auth import announce
from blueprints.auth.bodies import form_field, json_fields
from blueprints.auth.routes import blueprint, revoke, tell
from gateway import errors
from gateway.authentication import bearer
from gateway.limits import by_address
from gateway.marks import free, instrumented, limited, public
from gateway.scope import current
from gateway.sessions import BrowserSession, sent_cookies
from gateway.tokens import InvalidToken
from gateway.wiring import engines


@blueprint.post("/auth/logout")
@instrumented
@public
@free
def logout() -> Response:
    """End the session here, at once, and at Keycloak, if that can be reached."""
    environ = request.environ
    refresh_token = json_fields(environ, "refreshToken")["refreshToken"]
    sent = sent_cookies(environ)
    token = bearer(environ)
    session = engines().sign_in.sessions.find(sent) if token is None else None
    if session is not None:
        engines().sign_in.authenticator.require_own_page(environ)
        token = session.access_token
    principal = engines().sign_in.verifier.subject(token) if token is not None else None
    if principal is not None:
        engines().sign_in.revocations.sign_out(principal)
    if session is not None:
        engines().sign_in.revocations.sign_out_own(session.id)
    announce.signed_out(principal, session, refresh_token)
    revoke(refresh_token or (session.refresh_token if session else None))
    response = jsonify({"message": "Logged out successfully", **_end_session(session)})
    if bearer(environ) is None:
        engines().sign_in.sessions.clear(response, sent)
    tell("logout", principal.user_id if principal else session.user_id if session else None)
    return response


def _end_session(session: BrowserSession | None) -> dict[str, str]:
    frontend = engines().sign_in.redirects.frontend(request.environ)
    try:
        url = engines().sign_in.grants.end_session_url(session.id_token if session else None, frontend + "/")
    except errors.ServiceUnavailable:
        url = None
    return {"endSessionUrl": url} if url else {}


@blueprint.post("/auth/backchannel-logout")
@instrumented
@public
@limited("default", key=None)
def backchannel_logout() -> Response:
    """Keycloak's word that a session is over; it waits for the answer."""
    try:
        told = engines().sign_in.logout_tokens.verify(form_field(request.environ, "logout_token"))
    except errors.GatewayError as refusal:
        if refusal.status < 500:  # what is not Keycloak's is counted
            engines().limiter.count(by_address())
        raise errors.BadRequest() if isinstance(refusal, InvalidToken) else refusal from None
    if engines().store.add(f"jti:{told.token_id}", max(1.0, told.expires - time()) + 2 * engines().settings.jwt_leeway):
        engines().sign_in.revocations.apply_logout_token(told)
        tell("backchannel_logout", told.user_id)
        engines().sign_in.announcer.ended_at_keycloak(told.user_id, told.session_id, current().traceparent)
    return jsonify(message="OK")
