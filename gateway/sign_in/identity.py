"""The user of events: from the ID token, completed by the access token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.events import Subject
from gateway.scope import Principal
from gateway.tokens import InvalidToken
from gateway.tokens.claims import text_claim


def subject_of(claims: Mapping[str, Any], principal: Principal | None, own_id: str | None) -> Subject | None:
    """User and session of verified tokens: from the ID token's `claims`, otherwise from the access token, otherwise
    with `own_id`, the gateway's own session id. None if neither token names a user."""
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
