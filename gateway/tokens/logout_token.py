"""Logout tokens, by which Keycloak ends a session (OpenID Connect Back-Channel Logout 1.0 section 2.6)."""

from __future__ import annotations

from dataclasses import dataclass
from time import time
from typing import Any

from gateway.tokens.claims import audience, require_times, text_claim
from gateway.tokens.claims import time as time_of
from gateway.tokens.invalid import InvalidToken
from gateway.tokens.signatures import Signatures

_KINDS = frozenset({"logout+jwt", "jwt"})
_EVENT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass(frozen=True, slots=True)
class LogoutNotice:
    """The sessions to end: that of `session_id`, or all of `user_id` whose tokens were issued up to `issued`.
    `token_id` (its `jti`) identifies a repeated token until `expires`; times are seconds since the epoch."""

    session_id: str | None
    user_id: str | None
    token_id: str
    issued: float
    expires: float


@dataclass(frozen=True, slots=True)
class LogoutTokens:
    """Verifies the logout tokens of one issuer for one client; `leeway` in seconds."""

    signatures: Signatures
    issuer: str
    client_id: str
    leeway: float

    def verify(self, token: str) -> LogoutNotice:
        """The content of the token. Raises InvalidToken, ServiceUnavailable if no keys were ever read."""
        _, claims = self.signatures.claims(token, _KINDS)
        if claims.get("iss") != self.issuer or self.client_id not in audience(claims):
            raise InvalidToken("logout_token")
        events: Any = claims.get("events")
        if not isinstance(events, dict) or not isinstance(events.get(_EVENT), dict):
            raise InvalidToken("logout_token")
        if "nonce" in claims or claims.get("typ", "Logout") != "Logout":
            raise InvalidToken("logout_token")
        expires = require_times(claims, self.leeway, time())
        session_id, user_id, token_id = (text_claim(claims.get(name)) for name in ("sid", "sub", "jti"))
        # A `sid` that is no text must not end all sessions of the user.
        if token_id is None or (session_id is None and (user_id is None or "sid" in claims)):
            raise InvalidToken("logout_token")
        return LogoutNotice(session_id, user_id, token_id, time_of(claims, "iat"), expires)
