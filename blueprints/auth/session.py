"""An active session: its user, and new tokens for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import time
from typing import Any

from flask import Response, jsonify, request

from blueprints.auth.bodies import json_fields
from blueprints.auth.routes import blueprint
from gateway import errors
from gateway.authentication import bearer
from gateway.hooks.errors import error_response
from gateway.limits import by_address
from gateway.marks import identified, instrumented, limited, public
from gateway.oidc import TokenAnswer
from gateway.scope import Principal, current
from gateway.sessions import BrowserSession, sent_cookies
from gateway.sign_in import SessionEnded
from gateway.tokens import ExpiredToken
from gateway.wiring import engines


@blueprint.get("/auth/session")
@instrumented
@public
@identified
def session() -> Response:
    """The signed-in user, for the start of a frontend: an error only if it cannot be determined."""
    scope = current()
    principal, refusal = scope.principal, scope.refusal
    if principal is not None:
        return jsonify(authenticated=True, user=_user(principal), expiresIn=max(0, int(principal.expires - time())))
    if isinstance(refusal, ExpiredToken):
        return jsonify({"authenticated": False, **({"refreshable": True} if _is_refreshable() else {})})
    if isinstance(refusal, (errors.Unauthorized, errors.BadRequest)):
        return jsonify(authenticated=False)
    raise refusal or errors.Unauthorized()


def _is_refreshable() -> bool:
    if bearer(request.environ) is not None:
        return False
    parts = engines().sign_in
    known = parts.refresh.active(parts.sessions.sessions(sent_cookies(request.environ)))
    return known is not None and known.refresh_token is not None


def _user(principal: Principal) -> dict[str, Any]:
    names = {"firstName": principal.first_name, "lastName": principal.last_name}
    return {
        "id": principal.user_id,
        "email": principal.email,
        **{name: value for name, value in names.items() if value is not None},
        "roles": sorted(principal.roles),
    }


@blueprint.post("/auth/refresh")
@instrumented
@public
@limited("auth", key=None)
def refresh() -> Response:
    """New tokens: in the body for a refresh token in the body, only in cookies for the session cookie."""
    try:
        refresh_token = json_fields(request.environ, "refreshToken")["refreshToken"]
        refresh_by = partial(_by_cookie, *_own_session()) if refresh_token is None else partial(_by_body, refresh_token)
    except errors.GatewayError:
        engines().limiter.count(by_address())
        raise
    return refresh_by()


def _own_session() -> tuple[BrowserSession, str]:
    """The session of the cookies, and its refresh token. Unauthorized without; Forbidden for a foreign page."""
    parts = engines().sign_in
    session = parts.refresh.going_on(parts.sessions.sessions(sent_cookies(request.environ)))
    if session is None or session.refresh_token is None:
        raise errors.Unauthorized()
    parts.authenticator.require_own_page(request.environ)
    return session, session.refresh_token


def _by_body(refresh_token: str) -> Response:
    owner = engines().sign_in.revocations.owner(refresh_token)
    key = by_address() if owner is None else f"session {owner.session}"
    tokens = _counted(partial(engines().sign_in.refresh.for_token, refresh_token), key)
    return jsonify(
        accessToken=tokens.access_token,
        refreshToken=tokens.refresh_token or refresh_token,
        expiresIn=tokens.expires_in,
    )


def _by_cookie(session: BrowserSession, refresh_token: str) -> Response:
    sent, flow = sent_cookies(request.environ), engines().sign_in.refresh
    try:
        tokens = _counted(partial(flow.for_session, session, refresh_token), f"session {session.id}")
    except SessionEnded as ended:
        response = error_response(ended)
        engines().sign_in.sessions.clear(response, sent)
        return response
    response = jsonify(expiresIn=tokens.expires_in)
    engines().sign_in.sessions.save(response, sent, session.renewed(tokens), tokens.refresh_expires_in)
    return response


def _counted(ask: Callable[[Callable[[], None]], tuple[TokenAnswer, bool]], key: str) -> TokenAnswer:
    """The tokens; `key` is counted if Keycloak is called, otherwise only its allowance is returned."""
    limiter = engines().limiter
    tokens, asked = ask(partial(limiter.count, key))
    if not asked:
        limiter.show(key)
    return tokens
