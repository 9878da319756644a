"""Whom an event is about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subject:
    """A user in one session. `session_id` is Keycloak's `sid`, else the gateway's own id of the session; None where all
    sessions of the user are meant. What is not known is None."""

    user_id: str
    session_id: str | None
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
