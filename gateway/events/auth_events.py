"""What happens to sessions, for other services: the kinds of events, and when each is published: each sign-in, each
refresh, each end of a session once."""

from __future__ import annotations

import logging
from typing import Literal, Protocol

from gateway.events.event import Event
from gateway.events.publisher import Publisher
from gateway.events.session_registry import SessionRegistry
from gateway.events.subject import Subject
from gateway.scope import current

log = logging.getLogger("gateway.events")

AuthMethod = Literal["oauth2", "jwt_refresh"]
LogoutReason = Literal["user_action", "token_expired", "admin_action"]


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


class AuthEvents(Protocol):
    """Publishes the events of sessions. Nothing here waits for Kafka, and nothing raises."""

    def signed_in(self, who: Subject, refresh_token: str | None, life: float) -> None:
        """A user has signed in at Keycloak; the refresh token is valid for `life` seconds."""

    def refreshed(self, who: Subject, old: str, new: str | None, life: float) -> None:
        """The refresh token `old` was exchanged for new tokens."""

    def signed_out(
        self, user_id: str | None, session_id: str | None, reason: LogoutReason, refresh_token: str | None = None
    ) -> None:
        """A session has ended, or without `session_id` all sessions of the user: published once, however often it is
        reported. Without `user_id` the user is looked up by the refresh token, then by the session; if it is unknown,
        nothing is published."""


class KafkaAuthEvents:
    """Publishes them, in the trace of the current request."""

    def __init__(self, publisher: Publisher, registry: SessionRegistry) -> None:
        self._publisher = publisher
        self._registry = registry

    def signed_in(self, who: Subject, refresh_token: str | None, life: float) -> None:
        self._registry.begin(who, refresh_token, life)
        self._publisher.publish(authenticated(who, "oauth2", current().traceparent))

    def refreshed(self, who: Subject, old: str, new: str | None, life: float) -> None:
        self._registry.go_on(who, old, new, life)
        self._publisher.publish(authenticated(who, "jwt_refresh", current().traceparent))

    def signed_out(
        self, user_id: str | None, session_id: str | None, reason: LogoutReason, refresh_token: str | None = None
    ) -> None:
        who = self._subject(user_id, session_id, refresh_token)
        if who is not None and self._registry.end(who):
            self._publisher.publish(logged_out(who, reason, current().traceparent))

    def _subject(self, user_id: str | None, session_id: str | None, refresh_token: str | None) -> Subject | None:
        if user_id is not None:
            return Subject(user_id, session_id)
        if refresh_token is not None:
            return self._registry.owner(refresh_token)
        user_id = self._registry.user_of(session_id)
        if user_id is None:
            if session_id is not None:  # the key of an event is its user: without one it would have no order
                log.warning("Kafka: the end of a session of an unknown user is not published")
            return None
        return Subject(user_id, session_id)


class NullAuthEvents:
    """Publishes nothing, without Kafka."""

    def signed_in(self, who: Subject, refresh_token: str | None, life: float) -> None: ...

    def refreshed(self, who: Subject, old: str, new: str | None, life: float) -> None: ...

    def signed_out(
        self, user_id: str | None, session_id: str | None, reason: LogoutReason, refresh_token: str | None = None
    ) -> None: ...
