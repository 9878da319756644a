"""A session while it lasts: who it is of, and new tokens for it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from time import time
from typing import Any

from flask import Response, jsonify, request

from blueprints.auth import announce
from blueprints.auth.bodies import json_fields
from blueprints.auth.routes import blueprint, explain, log, revoke, tell
from gateway import errors
from gateway.authentication import bearer
from gateway.hooks.errors import error_response
from gateway.limits import by_address
from gateway.marks import identified, instrumented, limited, public
from gateway.oidc import SessionOver, TokenAnswer
from gateway.scope import Principal, current
from gateway.sessions import BrowserSession, sent_cookies
from gateway.tokens import ExpiredToken, InvalidToken
from gateway.wiring import engines


@blueprint.get("/auth/session")
@instrumented
@public
@identified
def session() -> Response:
    """Who is signed in, for a frontend that boots: an error only where that can not be known."""
    scope = current()
    principal, refusal = scope.principal, scope.refusal
    if principal is not None:
        return jsonify(authenticated=True, user=_user(principal), expiresIn=max(0, int(principal.expires - time())))
    if isinstance(refusal, ExpiredToken):
        known = (
            engines().sign_in.sessions.find(sent_cookies(request.environ)) if bearer(request.environ) is None else None
        )
        refreshable = known is not None and known.refresh_token is not None and not is_over(known)
        return jsonify({"authenticated": False, **({"refreshable": True} if refreshable else {})})
    if isinstance(refusal, (errors.Unauthorized, errors.BadRequest)):
        return jsonify(authenticated=False)
    raise refusal or errors.Unauthorized()


def _user(principal: Principal) -> dict[str, Any]:
    names = {"firstName": principal.first_name, "lastName": principal.last_name}
    return {
        "id": principal.user_id,
        "email": principal.email,
        **{name: value for name, value in names.items() if value is not None},
        "roles": sorted(principal.roles),
    }


def is_over(session: BrowserSession) -> bool:
    """Whether the session was ended: its tokens may still verify, and are refused all the same."""
    return engines().sign_in.revocations.includes_own(session.id) or _has_ended(session.access_token)


def _has_ended(access_token: str) -> bool:
    principal = engines().sign_in.verifier.subject(access_token)
    return principal is not None and engines().sign_in.revocations.includes(principal)


@blueprint.post("/auth/refresh")
@instrumented
@public
@limited("auth", key=None)
def refresh() -> Response:
    """New tokens: for the refresh token in the body, in a body; for the session cookie, in cookies alone."""
    try:
        refresh_token = json_fields(request.environ, "refreshToken")["refreshToken"]
        refresh_by = partial(_by_cookie, *_own_session()) if refresh_token is None else partial(_by_body, refresh_token)
    except errors.GatewayError:
        engines().limiter.count(by_address())
        raise
    return refresh_by()


def _own_session() -> tuple[BrowserSession, str]:
    """The session of the cookies, and its refresh token. Unauthorized without; Forbidden for a foreign page."""
    session = engines().sign_in.sessions.find(sent_cookies(request.environ))
    if session is None or session.refresh_token is None:
        raise errors.Unauthorized()
    engines().sign_in.authenticator.require_own_page(request.environ)
    return session, session.refresh_token


def _by_body(refresh_token: str) -> Response:
    try:
        tokens, claims = _refreshed(refresh_token, None, by_address())
        if _has_ended(tokens.access_token) or engines().sign_in.revocations.is_refresh_token_revoked(
            tokens.refresh_token
        ):  # a superseded token's answer, from before the end
            raise SessionOver
    except SessionOver:
        raise errors.Unauthorized("invalid_token") from None
    if claims is not None:
        announce.refreshed(claims, tokens, refresh_token, None)
    return jsonify(
        accessToken=tokens.access_token,
        refreshToken=tokens.refresh_token or refresh_token,
        expiresIn=tokens.expires_in,
    )


def _by_cookie(session: BrowserSession, refresh_token: str) -> Response:
    sent, key = sent_cookies(request.environ), f"session {session.id}"
    try:
        if is_over(session):
            engines().limiter.count(key)
            raise SessionOver
        tokens, claims = _refreshed(refresh_token, session, key)
        if is_over(session):  # it ended while Keycloak answered
            revoke(tokens.refresh_token)
            raise SessionOver
    except SessionOver:
        tell("token_refresh_failed", session.user_id)
        response = error_response(errors.Unauthorized("invalid_token", code=errors.ErrorCode.SESSION_ENDED))
        engines().sign_in.sessions.clear(response, sent)
        return response
    response = jsonify(expiresIn=tokens.expires_in)
    engines().sign_in.sessions.save(response, sent, session.renewed(tokens), tokens.refresh_expires_in)
    if claims is not None:
        announce.refreshed(claims, tokens, refresh_token, session)
    return response


def _refreshed(
    refresh_token: str, session: BrowserSession | None, key: str
) -> tuple[TokenAnswer, Mapping[str, Any] | None]:
    """The tokens for this one, whoever asked for them first, and to the one who did, what the ID token says; `key` is
    who is counted for asking.

    Raises SessionOver, also for another user's ID token, which is no answer; TooManyRequests.
    """
    limits = engines().limiter
    try:
        tokens, asked = engines().sign_in.refresher.refresh(refresh_token, lambda: limits.count(key))
    except SessionOver:
        announce.refused(refresh_token, session)
        raise
    if not asked:
        limits.show(key)
    user_id = session.user_id if session is not None else None
    claims: Mapping[str, Any] = {"sub": user_id}
    if tokens.id_token is not None:
        try:
            claims = engines().sign_in.id_tokens.verify(tokens.id_token, tokens.access_token, None)
        except InvalidToken as refusal:
            explain(refusal)
            raise SessionOver from refusal
        if user_id is not None and claims["sub"] != user_id:
            log.error("Auth: a refresh brought another user's ID token")
            raise SessionOver
        user_id = str(claims["sub"])
    if asked:
        tell("token_refresh_success", user_id)
    return tokens, claims if asked else None
