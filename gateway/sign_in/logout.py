"""Logout: by the user, and by Keycloak's back channel."""

from __future__ import annotations

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

    def principal(self, token: str | None) -> Principal | None:
        """The Principal of a token, also if it has expired; None if it is invalid."""
        return self._verifier.subject(token) if token is not None else None

    def is_genuine(self, principal: Principal | None, session: BrowserSession | None) -> bool:
        """Whether an active session is being signed out: there is a session, and it has not ended already."""
        if session is not None:
            return not self._revocations.includes_own(session.id)
        return principal is not None and not self._revocations.includes(principal)

    def sign_out(self, principal: Principal | None, session: BrowserSession | None, refresh_token: str | None) -> None:
        """End the session at the gateway at once, then at Keycloak, if it can be reached: with the refresh token of the
        request, or that of the session, or its successor."""
        if principal is not None:
            self._revocations.sign_out(principal)
        if session is not None:
            self._revocations.sign_out_own(session.id)
        self._announce(principal, session, refresh_token)
        token = refresh_token or (session.refresh_token if session is not None else None)
        if token is not None:
            end_session(self._grants, self._revocations, self._refresher.newest(token))
        note("logout", principal.user_id if principal else session.user_id if session else None)

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
        user_id = principal.user_id if principal else session.user_id if session else None
        ids = (principal.session_id if principal else None, session.id if session else None)
        own = principal.token_id if principal is not None else None  # a token without a session counts as one session
        self._events.signed_out(user_id, next(filter(None, ids), own), "user_action", refresh_token)
