"""Revocations of sessions, whose tokens are refused even if they are still valid.

A revocation refuses the tokens that were issued up to its time, by their `iat`. A later sign-in with the same `sid`,
which Keycloak may use again, lifts it: tokens issued from that sign-in on are accepted.
"""

from __future__ import annotations

from struct import Struct
from time import time
from typing import Protocol

import orjson

from gateway.oidc import digest_of
from gateway.scope import Principal
from gateway.tokens import LogoutNotice

REMEMBERED_SECONDS = 86_400.0
"""Longer than the lifetime of any access token."""

REVOKED_SECONDS = 60.0
"""Longer than a result that contains it is repeated. Anybody can send any value to be revoked, so these are kept
separately from the ended sessions, and only for a short time."""

_FOR_EVER = 1e15
_ISSUED = Struct("<d")


class RevocationStore(Protocol):
    """Stores the revocations. A revocation is a time, and the time until which it is remembered: REMEMBERED_SECONDS
    after it was learned, which also orders two revocations."""

    def end(self, session: str, at: float, until: float) -> None: ...

    def ended_at(self, *sessions: str) -> float | None: ...

    def end_of(self, session: str) -> tuple[float, float] | None: ...

    def put(self, key: str, value: bytes, life: float) -> None: ...

    def get(self, key: str) -> bytes | None: ...


class SessionRevocations:
    """The ended sessions, by Keycloak's `sid` and by user. Times are seconds since the epoch."""

    def __init__(self, store: RevocationStore, leeway: float) -> None:
        """`leeway`: the seconds by which Keycloak's clock may be ahead."""
        self._store = store
        self._leeway = leeway

    def includes(self, principal: Principal) -> bool:
        """Whether this principal's session has ended. Called for each request."""
        if self._store.ended_at(principal.session, principal.subject) is None:
            return False
        ends = (self._store.end_of(principal.session), self._store.end_of(principal.subject))
        return any(end is not None and self._refuses(principal, end) for end in ends)

    def _refuses(self, principal: Principal, end: tuple[float, float]) -> bool:
        since = self._since(principal, end)
        if principal.issued > (end[0] if since is None else since):
            return False
        accepted = self._store.end_of(f"good:{principal.token_id}")
        return accepted is None or accepted[1] <= end[1]

    def _since(self, principal: Principal, end: tuple[float, float]) -> float | None:
        """The `iat` of the sign-in that lifted this revocation, None if there was none."""
        since = self._store.end_of(f"since:{principal.session}")
        return since[0] if since is not None and since[1] > end[1] else None

    def may_refresh(self, principal: Principal) -> bool:
        """Whether the session of this token, which Keycloak has just issued for a refresh token, is active: it has not
        ended, or there was a sign-in since. Keycloak may not know of the end."""
        ends = (self._store.end_of(principal.session), self._store.end_of(principal.subject))
        return all(end is None or self._has_begun_since(principal, end) for end in ends)

    def _has_begun_since(self, principal: Principal, end: tuple[float, float]) -> bool:
        if self._since(principal, end) is not None:
            return True
        began = self._store.get(f"signed in:{principal.session}")
        return began is not None and _ISSUED.unpack(began)[0] > end[0]

    def includes_own(self, own_id: str) -> bool:
        """Whether the session with this id of the gateway, from its cookies, has ended."""
        return self._store.ended_at(f"own:{own_id}") is not None

    def sign_out(self, principal: Principal) -> None:
        """End the session of this token as of now, for all of its tokens: up to the leeway, because Keycloak's clock
        may be ahead. At Keycloak it may continue for other clients, and be used by a new sign-in."""
        now = time()
        known = [self._store.end_of(name) for name in (principal.session, f"since:{principal.session}")]
        at = max(now + self._leeway, principal.issued, *(end[0] for end in known if end is not None))
        self._store.end(principal.session, at, now + REMEMBERED_SECONDS)

    def sign_in(self, principal: Principal) -> None:
        """This token is from a new sign-in: lift the revocation of its session, or of all of its user's, for it."""
        self._store.put(f"signed in:{principal.session}", _ISSUED.pack(principal.issued), REMEMBERED_SECONDS)
        if self._store.ended_at(principal.session, principal.subject) is None:
            return
        self._store.end(f"since:{principal.session}", principal.issued, time() + REMEMBERED_SECONDS)
        self.accept(principal)

    def accept(self, principal: Principal) -> None:
        """Accept this token: Keycloak has just issued it for an active session, even within the second of a revocation,
        or by a clock that is behind."""
        if principal.token_id is not None and self.includes(principal):
            self._store.end(f"good:{principal.token_id}", _FOR_EVER, time() + REMEMBERED_SECONDS)

    def give(self, refresh_token: str, principal: Principal, life: float) -> None:
        """Remember for `life` seconds that this refresh token was issued with this access token, for its session."""
        owner = orjson.dumps([principal.user_id, principal.issued, principal.session_id, principal.token_id])
        self._store.put(f"session of:{digest_of(refresh_token)}", owner, life)

    def exchange(self, old: str, new: str | None, principal: Principal, life: float) -> None:
        """The refresh token `old` was exchanged for `new` (None: it is not rotated) and this access token. A superseded
        one is soon forgotten."""
        if new not in (None, old) and self.owner(old) is not None:
            self.give(old, principal, REVOKED_SECONDS)
        self.give(new or old, principal, life)

    def owner(self, refresh_token: str | None) -> Principal | None:
        """The user and session of a refresh token, and when it was issued; None if the gateway did not issue it."""
        known = self._store.get(f"session of:{digest_of(refresh_token)}") if refresh_token is not None else None
        if known is None:
            return None
        user_id, issued, session_id, token_id = orjson.loads(known)
        return Principal(user_id, None, frozenset(), "", 0.0, issued=issued, session_id=session_id, token_id=token_id)

    def revoke_refresh_token(self, refresh_token: str) -> None:
        """Revoke this refresh token, also in stored results."""
        self._store.put(f"taken back:{digest_of(refresh_token)}", b"", REVOKED_SECONDS)

    def is_refresh_token_revoked(self, refresh_token: str | None) -> bool:
        """Whether it was revoked."""
        return refresh_token is not None and self._store.get(f"taken back:{digest_of(refresh_token)}") is not None

    def sign_out_own(self, own_id: str) -> None:
        """End the session with this id of the gateway permanently, even during a refresh."""
        self._store.end(f"own:{own_id}", _FOR_EVER, time() + REMEMBERED_SECONDS)

    def apply_logout_token(self, notice: LogoutNotice) -> None:
        """End one session, or all sessions of a user, as of the time of Keycloak's logout token."""
        name = f"sid:{notice.session_id}" if notice.session_id is not None else f"sub:{notice.user_id}"
        self._store.end(name, self._after_lifted(name, notice.issued), time() + REMEMBERED_SECONDS)

    def _after_lifted(self, name: str, at: float) -> float:
        """The time of an end at `at` (by Keycloak's clock): never before an end that a sign-in lifted up to then, or
        the store would keep that one."""
        end, since = self._store.end_of(name), self._store.end_of(f"since:{name}")
        if end is None or since is None or since[1] <= end[1] or at < since[0]:
            return at
        return max(at, end[0])
