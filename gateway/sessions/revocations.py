"""Sessions that are over: their tokens verify, and are refused all the same."""

from __future__ import annotations

from time import time
from typing import Protocol

from gateway.oidc import digest_of
from gateway.scope import Principal
from gateway.tokens import LogoutNotice

REMEMBERED_SECONDS = 86_400.0
"""Longer than any access token lives; a refresh of an ended session fails at Keycloak."""

REVOKED_SECONDS = 60.0
"""Longer than an answer that holds it is given again. Anybody may send anything to be taken back: it is kept apart from
the ended sessions, and not for long."""

_FOR_EVER = 1e15


class RevocationStore(Protocol):
    """Where the ends are kept."""

    def end(self, session: str, at: float, until: float) -> None: ...

    def ended_at(self, session: str) -> float | None: ...

    def put(self, key: str, value: bytes, life: float) -> None: ...

    def get(self, key: str) -> bytes | None: ...


class SessionRevocations:
    """Which sessions are over, by Keycloak's `sid` and by user."""

    def __init__(self, store: RevocationStore) -> None:
        self._store = store

    def includes(self, principal: Principal) -> bool:
        """Whether the session that this principal's token belongs to is over."""
        at = self._store.ended_at(principal.session)
        if at is not None and principal.issued <= at and self._store.ended_at(f"since:{principal.token_id}") is None:
            return True
        at = self._store.ended_at(principal.subject)
        return at is not None and principal.issued <= at

    def _ended_by_id(self, principal: Principal) -> bool:
        at = self._store.ended_at(principal.session)
        return at is not None and principal.issued <= at

    def includes_own(self, own_id: str) -> bool:
        """Whether the session of this id of our own, which its cookies carry, is over."""
        return self._store.ended_at(f"own:{own_id}") is not None

    def sign_out(self, principal: Principal) -> None:
        """The session of this token is over here. Keycloak may go on with it for other clients, and sign the same one
        in again: tokens issued later, by Keycloak's clock, are good."""
        self._store.end(principal.session, principal.issued, time() + REMEMBERED_SECONDS)

    def sign_in(self, principal: Principal) -> None:
        """This token is of a sign-in just now: good, though its session ended within the same second."""
        if self._ended_by_id(principal):
            self._store.end(f"since:{principal.token_id}", _FOR_EVER, time() + REMEMBERED_SECONDS)

    def revoke_refresh_token(self, refresh_token: str) -> None:
        """This refresh token is no good any more, whoever still has it in an answer."""
        self._store.put(f"taken back:{digest_of(refresh_token)}", b"", REVOKED_SECONDS)

    def is_refresh_token_revoked(self, refresh_token: str | None) -> bool:
        """Whether it was taken back."""
        return refresh_token is not None and self._store.get(f"taken back:{digest_of(refresh_token)}") is not None

    def sign_out_own(self, own_id: str) -> None:
        """The session of this id of our own is over for good, whatever refresh is under way for it."""
        self._store.end(f"own:{own_id}", _FOR_EVER, time() + REMEMBERED_SECONDS)

    def apply_logout_token(self, logout: LogoutNotice) -> None:
        """Keycloak says so: the one session, or all of the user's whose tokens were issued up to then."""
        until = time() + REMEMBERED_SECONDS
        if logout.session_id is not None:
            self._store.end(f"sid:{logout.session_id}", _FOR_EVER, until)
        else:
            self._store.end(f"sub:{logout.user_id}", logout.issued, until)
