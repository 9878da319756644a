"""What is told to other services, and when: each sign-in, each refresh, each end of a session once."""

from __future__ import annotations

import logging
from typing import Protocol

from gateway.events.event import LogoutReason, authenticated, logged_out
from gateway.events.publisher import Publisher
from gateway.events.session_registry import SessionRegistry
from gateway.events.subject import Subject

log = logging.getLogger("gateway.events")


class Announces(Protocol):
    """Who tells other services. Nothing here waits for Kafka; `traceparent` is the request's."""

    def signed_in(self, who: Subject, refresh_token: str | None, life: float, traceparent: str) -> None:
        """Somebody came back from Keycloak with tokens; the refresh token lives for `life` seconds."""

    def refreshed(self, who: Subject, old: str, new: str | None, life: float, traceparent: str) -> None:
        """The refresh token `old` brought new tokens."""

    def signed_out(self, who: Subject, reason: LogoutReason, traceparent: str) -> None:
        """A session is over: told once, whoever says so again."""

    def lost(self, refresh_token: str, reason: LogoutReason, traceparent: str) -> None:
        """The session of this refresh token is over; nothing is told where nobody knows whose it is."""

    def ended_at_keycloak(self, user_id: str | None, session_id: str | None, traceparent: str) -> None:
        """Keycloak says that this session is over, or without one all of the user's."""


class Announcer:
    """Tells them through a publisher."""

    def __init__(self, publisher: Publisher, register: SessionRegistry) -> None:
        self._publisher = publisher
        self._register = register

    def signed_in(self, who: Subject, refresh_token: str | None, life: float, traceparent: str) -> None:
        self._register.begin(who, refresh_token, life)
        self._publisher.publish(authenticated(who, "oauth2", traceparent))

    def refreshed(self, who: Subject, old: str, new: str | None, life: float, traceparent: str) -> None:
        self._register.go_on(who, old, new, life)
        self._publisher.publish(authenticated(who, "jwt_refresh", traceparent))

    def signed_out(self, who: Subject, reason: LogoutReason, traceparent: str) -> None:
        if self._register.end(who):
            self._publisher.publish(logged_out(who, reason, traceparent))

    def lost(self, refresh_token: str, reason: LogoutReason, traceparent: str) -> None:
        who = self._register.owner(refresh_token)
        if who is not None:
            self.signed_out(who, reason, traceparent)

    def ended_at_keycloak(self, user_id: str | None, session_id: str | None, traceparent: str) -> None:
        user_id = user_id or self._register.user_of(session_id)
        if user_id is None:  # the key of an event is its user: without one it would be in no order with any other
            log.warning("Kafka: the end of a session of an unknown user is not published")
            return
        self.signed_out(Subject(user_id, session_id), "admin_action", traceparent)


class Silent:
    """Tells nobody: there is no Kafka."""

    def signed_in(self, who: Subject, refresh_token: str | None, life: float, traceparent: str) -> None: ...

    def refreshed(self, who: Subject, old: str, new: str | None, life: float, traceparent: str) -> None: ...

    def signed_out(self, who: Subject, reason: LogoutReason, traceparent: str) -> None: ...

    def lost(self, refresh_token: str, reason: LogoutReason, traceparent: str) -> None: ...

    def ended_at_keycloak(self, user_id: str | None, session_id: str | None, traceparent: str) -> None: ...
