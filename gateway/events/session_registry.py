"""The users of sessions and refresh tokens, so that each end is published once, with its user."""

from __future__ import annotations

from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Protocol

import orjson

from gateway.events.subject import Subject
from gateway.oidc import digest_of

DAY = 86_400.0
"""Longer than the lifetime of a refresh token: the refusal of an expired one ends the session too."""

OLD_OWNER_SECONDS = 60.0


class SessionRegistryStore(Protocol):
    """Stores it for all workers and machines."""

    def add(self, key: str, life: float) -> bool: ...

    def put(self, key: str, value: bytes, life: float) -> None: ...

    def get(self, key: str) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class _Stay:
    """One sign-in of a session. A later sign-in may have the same `sid`, but its end is published separately."""

    user_id: str
    sign_in: str
    life: float


_UNKNOWN = _Stay("", "", 0.0)


class SessionRegistry:
    """Stored in the store, so it is known on one machine, and with Redis on all machines."""

    def __init__(self, store: SessionRegistryStore) -> None:
        self._store = store

    def begin(self, who: Subject, refresh_token: str | None, life: float) -> None:
        """A user signed in; the refresh token is valid for `life` seconds."""
        self._keep(who, _Stay(who.user_id, token_hex(8), life + DAY), refresh_token)

    def go_on(self, who: Subject, old: str, new: str | None, life: float) -> None:
        """The refresh token `old` was exchanged for `new` (None: it is unchanged), valid for `life` seconds."""
        self._keep(who, _Stay(who.user_id, self._stay(who.session_id).sign_in, life + DAY), new or old)
        if new is not None and new != old:
            self._own(who, old, OLD_OWNER_SECONDS)

    def owner(self, refresh_token: str) -> Subject | None:
        """The user of a refresh token, None if unknown."""
        found = self._read(f"owner:{digest_of(refresh_token)}")
        return Subject(found["user"], found["session"]) if found is not None else None

    def user_of(self, session_id: str | None) -> str | None:
        """The user of a session, None if unknown."""
        return self._stay(session_id).user_id or None

    def end(self, who: Subject) -> bool:
        """The session has ended: True for the first report of this sign-in. Always True for all sessions of a user."""
        if who.session_id is None:
            return True
        stay = self._stay(who.session_id)
        return self._store.add(f"logged out:{who.session_id}:{stay.sign_in}", max(stay.life, DAY))

    def _keep(self, who: Subject, stay: _Stay, refresh_token: str | None) -> None:
        record = {"user": stay.user_id, "signIn": stay.sign_in, "life": stay.life}
        if who.session_id is not None:
            self._store.put(f"session:{who.session_id}", orjson.dumps(record), stay.life)
        if refresh_token is not None:
            self._own(who, refresh_token, stay.life)

    def _own(self, who: Subject, refresh_token: str, life: float) -> None:
        record = {"user": who.user_id, "session": who.session_id}
        self._store.put(f"owner:{digest_of(refresh_token)}", orjson.dumps(record), life)

    def _stay(self, session_id: str | None) -> _Stay:
        found = self._read(f"session:{session_id}")
        return _Stay(found["user"], found["signIn"], found["life"]) if found is not None else _UNKNOWN

    def _read(self, key: str) -> Any:
        value = self._store.get(key)
        return None if value is None else orjson.loads(value)
