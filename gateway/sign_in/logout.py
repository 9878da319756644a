"""Logout: by the user, and by Keycloak's back channel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import time

from gateway.events import AuthEvents
from gateway.oidc import Grants
from gateway.scope import Principal
from gateway.sessions import BrowserSession, Refresher, SessionRevocations
from gateway.sign_in.auth_log import note
from gateway.sign_in.login import UsedStates
from gateway.sign_in.revoke import end_session
from gateway.tokens import LogoutNotice, LogoutTokens, Verifier


class LogoutFlow:
    """Ends sessions."""

    def __init__(
        self,
        grants: Grants,
        verifier: Verifier,
        logout_tokens: LogoutTokens,
        revocations: SessionRevocations,
        refresher: Refresher,
        events: AuthEvents,
        used: UsedStates,
    ) -> None:
        self._grants = grants
        self._verifier = verifier
        self._logout_tokens = logout_tokens
        self._revocations = revocations
        self._refresher = refresher
        self._events = events
        self._used = used

    def principals(
        self, token: str | None, session: BrowserSession | None, refresh_token: str | None
    ) -> tuple[Principal, ...]:
        """The Principals whose sessions end, one per session: of the refresh token, if the gateway issued it, and of
        the access token, also if it has expired."""
        access = session.access_token if session is not None else token
        known = self._verifier.subject(access) if access is not None else None
        given = self._revocations.owner(refresh_token or (session.refresh_token if session is not None else None))
        found = {who.session: who for who in (given, known) if who is not None}
        return tuple(found.values())

    def is_genuine(self, principals: Iterable[Principal], session: BrowserSession | None) -> bool:
        """Whether an active session is being signed out: there is a session, and it has not ended already."""
        if session is not None:
            return not self._revocations.includes_own(session.id)
        return any(not self._revocations.includes(principal) for principal in principals)

    def sign_out(
        self, principals: Sequence[Principal], session: BrowserSession | None, refresh_token: str | None
    ) -> None:
        """End the sessions at the gateway at once, then at Keycloak, if it can be reached: with the refresh token of
        the request, or that of the session, or its successor."""
        for principal in principals:
            self._revocations.sign_out(principal)
        if session is not None:
            self._revocations.sign_out_own(session.id)
        for other in principals[:-1]:
            self._announce(other, None, None)
        known = principals[-1] if principals else None
        self._announce(known, session, refresh_token)
        token = refresh_token or (session.refresh_token if session is not None else None)
        if token is not None:
            end_session(self._grants, self._revocations, self._refresher.newest(token))
        note("logout", known.user_id if known else (session.user_id or None) if session else None)

    def end_session_url(self, session: BrowserSession | None, frontend: str) -> str | None:
        """The URL at which the browser ends its session at Keycloak and returns to the frontend; None if it is not
        known."""
        return self._grants.end_session_url(session.id_token if session is not None else None, frontend + "/")

    def verify(self, logout_token: str) -> LogoutNotice:
        """The notice in a back-channel logout token. Raises InvalidToken, ServiceUnavailable without any keys."""
        return self._logout_tokens.verify(logout_token)

    def apply(self, notice: LogoutNotice) -> None:
        """End the sessions of the notice, once for each token."""
        life = max(1.0, notice.expires - time()) + 2 * self._logout_tokens.leeway
        if not self._used.add(f"jti:{notice.token_id}", life):
            return
        self._revocations.apply_logout_token(notice)
        note("backchannel_logout", notice.user_id)
        self._events.signed_out(notice.user_id, notice.session_id, "admin_action")

    def _announce(self, principal: Principal | None, session: BrowserSession | None, refresh_token: str | None) -> None:
        user_id = principal.user_id if principal else (session.user_id or None) if session else None
        ids = (principal.session_id if principal else None, session.id if session else None)
        own = principal.token_id if principal is not None else None  # a token without a session counts as one session
        self._events.signed_out(user_id, next(filter(None, ids), own), "user_action", refresh_token)
