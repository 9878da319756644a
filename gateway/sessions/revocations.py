"""Sessions that are over: their tokens verify, and are refused all the same.

An end refuses what was issued up to it, by the `iat` of the tokens. A sign-in into the same session after the end (of
the same `sid`, which Keycloak may give again) lifts it: what was issued from that sign-in on is good.
"""

from __future__ import annotations

from struct import Struct
from time import time
from typing import Protocol

from gateway.oidc import digest_of
from gateway.scope import Principal
from gateway.tokens import LogoutNotice

REMEMBERED_SECONDS = 86_400.0
"""Longer than any access token lives."""

REVOKED_SECONDS = 60.0
"""Longer than an answer that holds it is given again. Anybody may send anything to be taken back: it is kept apart from
the ended sessions, and not for long."""

_FOR_EVER = 1e15
_ISSUED = Struct("<d")


class RevocationStore(Protocol):
    """Where the ends are kept. An end is a time, and until when it is remembered: REMEMBERED_SECONDS from when it was
    learned, so that of two ends it tells which was learned first."""

    def end(self, session: str, at: float, until: float) -> None: ...

    def ended_at(self, session: str) -> float | None: ...

    def end_of(self, session: str) -> tuple[float, float] | None: ...

    def put(self, key: str, value: bytes, life: float) -> None: ...

    def get(self, key: str) -> bytes | None: ...


class SessionRevocations:
    """Which sessions are over, by Keycloak's `sid` and by user. Times are seconds since the epoch."""

    def __init__(self, store: RevocationStore) -> None:
        self._store = store

    def includes(self, principal: Principal) -> bool:
        """Whether this principal's token is of a session that is over. For each request."""
        ended_at = self._store.ended_at
        if ended_at(principal.session) is None and ended_at(principal.subject) is None:
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
        """When the token was issued of the sign-in that lifted this end, None where none did."""
        since = self._store.end_of(f"since:{principal.session}")
        return since[0] if since is not None and since[1] > end[1] else None

    def may_refresh(self, principal: Principal) -> bool:
        """Whether the session of this token, which Keycloak has just given for a refresh token, goes on: it is not
        over, or there was a sign-in of it since. Keycloak may not know of the end."""
        ends = (self._store.end_of(principal.session), self._store.end_of(principal.subject))
        return all(end is None or self._has_begun_since(principal, end) for end in ends)

    def _has_begun_since(self, principal: Principal, end: tuple[float, float]) -> bool:
        if self._since(principal, end) is not None:
            return True
        began = self._store.get(f"signed in:{principal.session}")
        return began is not None and _ISSUED.unpack(began)[0] > end[0]

    def includes_own(self, own_id: str) -> bool:
        """Whether the session of this id of our own, which its cookies carry, is over."""
        return self._store.ended_at(f"own:{own_id}") is not None

    def sign_out(self, principal: Principal) -> None:
        """The session of this token is over here, as of now, whichever of its tokens asks. Keycloak may go on with it
        for other clients, and sign the same one in again."""
        now = time()
        known = [self._store.end_of(name) for name in (principal.session, f"since:{principal.session}")]
        at = max(now, principal.issued, *(end[0] for end in known if end is not None))
        self._store.end(principal.session, at, now + REMEMBERED_SECONDS)

    def sign_in(self, principal: Principal) -> None:
        """This token is of a sign-in just now: an end of its session, or of all of its user's, is lifted for it."""
        self._store.put(f"signed in:{principal.session}", _ISSUED.pack(principal.issued), REMEMBERED_SECONDS)
        if self._store.ended_at(principal.session) is None and self._store.ended_at(principal.subject) is None:
            return
        self._store.end(f"since:{principal.session}", principal.issued, time() + REMEMBERED_SECONDS)
        self.accept(principal)

    def accept(self, principal: Principal) -> None:
        """This token is good: Keycloak has just given it for a session that goes on, if within the second of an end of
        it, or by a clock that is behind."""
        if principal.token_id is not None and self.includes(principal):
            self._store.end(f"good:{principal.token_id}", _FOR_EVER, time() + REMEMBERED_SECONDS)

    def revoke_refresh_token(self, refresh_token: str) -> None:
        """This refresh token is no good any more, whoever still has it in an answer."""
        self._store.put(f"taken back:{digest_of(refresh_token)}", b"", REVOKED_SECONDS)

    def is_refresh_token_revoked(self, refresh_token: str | None) -> bool:
        """Whether it was taken back."""
        return refresh_token is not None and self._store.get(f"taken back:{digest_of(refresh_token)}") is not None

    def sign_out_own(self, own_id: str) -> None:
        """The session of this id of our own is over for good, whatever refresh is under way for it."""
        self._store.end(f"own:{own_id}", _FOR_EVER, time() + REMEMBERED_SECONDS)

    def apply_logout_token(self, notice: LogoutNotice) -> None:
        """Keycloak says so: the one session, or all of the user's, as of when it says so."""
        name = f"sid:{notice.session_id}" if notice.session_id is not None else f"sub:{notice.user_id}"
        self._store.end(name, notice.issued, time() + REMEMBERED_SECONDS)
