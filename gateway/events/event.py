"""What is published: the envelope and the data of each kind of event (`deploy/events` has their JSON Schemas)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

import orjson

from gateway.clock import timestamp
from gateway.events.subject import Subject

AuthMethod = Literal["oauth2", "jwt_refresh"]
LogoutReason = Literal["user_action", "token_expired", "admin_action"]


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `id` is its own for ever: one that arrives twice has the same; never a token or a secret in `data`."""

    type: str
    user_id: str
    data: Mapping[str, Any]
    traceparent: str
    id: str = field(default_factory=lambda: str(uuid4()))
    timestamp: str = field(default_factory=timestamp)

    @property
    def key(self) -> bytes:
        """The events of one user have one key: they lie in one partition, in their order."""
        return self.user_id.encode()

    @property
    def value(self) -> bytes:
        """The message: one JSON object."""
        envelope = {
            "eventId": self.id,
            "eventType": self.type,
            "timestamp": self.timestamp,
            "userId": self.user_id,
            "data": self.data,
        }
        return orjson.dumps(envelope)

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """The message's headers, for protocol versions that have them (Kafka 0.11)."""
        return [
            ("content-type", b"application/json"),
            ("event-type", self.type.encode()),
            ("traceparent", self.traceparent.encode()),
        ]


def authenticated(who: Subject, method: AuthMethod, traceparent: str) -> Event:
    """`user.authenticated`: names are left out where they are not known, `email` is null then."""
    names = {"firstName": who.first_name, "lastName": who.last_name}
    data = {
        "email": who.email,
        "sessionId": who.session_id,
        "authMethod": method,
        **{name: value for name, value in names.items() if value is not None},
    }
    return Event("user.authenticated", who.user_id, data, traceparent)


def logged_out(who: Subject, reason: LogoutReason, traceparent: str) -> Event:
    """`user.logged_out`: `sessionId` is null where all sessions of the user ended."""
    return Event("user.logged_out", who.user_id, {"sessionId": who.session_id, "logoutReason": reason}, traceparent)
