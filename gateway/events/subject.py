"""The user of an event."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subject:
    """A user in one session. `session_id` is Keycloak's `sid`, otherwise the gateway's own session id; None means all
    sessions of the user. Unknown fields are None."""

    user_id: str
    session_id: str | None
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
