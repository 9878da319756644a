"""What the sign-in views tell other services: who signed in, whose session goes on, whose is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.events import Subject
from gateway.oidc import TokenAnswer
from gateway.scope import Principal, current
from gateway.sessions import BrowserSession
from gateway.tokens import InvalidToken
from gateway.tokens.claims import text_claim
from gateway.wiring import engines


def signed_in(claims: Mapping[str, Any], tokens: TokenAnswer, session: BrowserSession) -> None:
    """After a callback."""
    who = _who(claims, tokens, session.id)
    if who is not None:
        life = float(tokens.refresh_expires_in)
        engines().sign_in.announcer.signed_in(who, tokens.refresh_token, life, current().traceparent)


def refreshed(
    claims: Mapping[str, Any], tokens: TokenAnswer, refresh_token: str, session: BrowserSession | None
) -> None:
    """After a refresh that this request asked Keycloak for."""
    who = _who(claims, tokens, session.id if session is not None else None)
    if who is not None:
        life = float(tokens.refresh_expires_in)
        engines().sign_in.announcer.refreshed(who, refresh_token, tokens.refresh_token, life, current().traceparent)


def refresh_refused(refresh_token: str, session: BrowserSession | None) -> None:
    """After a refresh that Keycloak refused because the session is over."""
    announcer, traceparent = engines().sign_in.announcer, current().traceparent
    if session is None:
        announcer.lost(refresh_token, "token_expired", traceparent)
        return
    principal = engines().sign_in.verifier.subject(session.access_token)
    session_id = principal.session_id if principal is not None else None
    announcer.signed_out(Subject(session.user_id, session_id or session.id), "token_expired", traceparent)


def signed_out(principal: Principal | None, session: BrowserSession | None, refresh_token: str | None) -> None:
    """After a logout, by whatever told whose it is."""
    announcer, traceparent = engines().sign_in.announcer, current().traceparent
    user_id = principal.user_id if principal is not None else session.user_id if session is not None else None
    if user_id is not None:
        ids = (principal.session_id if principal else None, session.id if session else None)
        own = principal.token_id if principal is not None else None  # a token that names no session is one by itself
        announcer.signed_out(Subject(user_id, next(filter(None, ids), own)), "user_action", traceparent)
    elif refresh_token is not None:
        announcer.lost(refresh_token, "user_action", traceparent)


def _who(claims: Mapping[str, Any], tokens: TokenAnswer, own_id: str | None) -> Subject | None:
    """Whom verified tokens are of: the ID token's claims, else what the access token says, else `own_id` as session."""
    principal = engines().sign_in.verifier.subject(tokens.access_token)
    user_id = _text(claims, "sub") or (principal.user_id if principal is not None else None)
    if user_id is None:
        return None
    known = principal if principal is not None and principal.user_id == user_id else None
    return Subject(
        user_id,
        _text(claims, "sid") or (known.session_id if known else None) or own_id,
        _text(claims, "email") or (known.email if known else None),
        _text(claims, "given_name") or (known.first_name if known else None),
        _text(claims, "family_name") or (known.last_name if known else None),
    )


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    try:
        return text_claim(claims.get(name))
    except InvalidToken:
        return None
