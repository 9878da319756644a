"""Refresh: new tokens for a refresh token, unless the gateway has ended its session."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gateway import errors
from gateway.errors import ErrorCode
from gateway.events import AuthEvents
from gateway.oidc import Grants, SessionOver, TokenAnswer
from gateway.scope import Principal
from gateway.sessions import BrowserSession, RefreshedTokens, Refresher, SessionRevocations
from gateway.sign_in.auth_log import log, note
from gateway.sign_in.identity import subject_of
from gateway.sign_in.revoke import revoke
from gateway.tokens import Verifier

Admit = Callable[[], None]
"""Counts a refresh that calls Keycloak, or raises TooManyRequests."""


class SessionEnded(errors.Unauthorized):
    """The session has ended: only a new sign-in helps."""

    def __init__(self) -> None:
        super().__init__("invalid_token", code=ErrorCode.SESSION_ENDED)


class RefreshFlow:
    """Refreshes with a refresh token, and for a browser's session."""

    def __init__(
        self,
        refresher: Refresher,
        grants: Grants,
        verifier: Verifier,
        revocations: SessionRevocations,
        events: AuthEvents,
    ) -> None:
        self._refresher = refresher
        self._grants = grants
        self._verifier = verifier
        self._revocations = revocations
        self._events = events

    def for_token(self, refresh_token: str, admit: Admit) -> tuple[TokenAnswer, bool]:
        """The new tokens, and whether this call requested them from Keycloak.

        Raises SessionEnded if the session has ended, even if only the gateway knows it; then the new refresh token is
        revoked. Otherwise the error of Keycloak (see Grants), or TooManyRequests.
        """
        try:
            refreshed = self._refresher.refresh(refresh_token, admit)
        except SessionOver:
            self._events.signed_out(None, None, "token_expired", refresh_token)
            raise SessionEnded from None
        principal = self._verifier.subject(refreshed.tokens.access_token)
        self._require_going_on(principal, refreshed)
        if self._revocations.is_refresh_token_revoked(refreshed.tokens.refresh_token):
            raise SessionEnded  # the result of a superseded token, from before the end
        self._announce(refreshed, principal, refresh_token, None)
        return refreshed.tokens, refreshed.asked

    def for_session(self, session: BrowserSession, refresh_token: str, admit: Admit) -> tuple[TokenAnswer, bool]:
        """The same for a session of cookies and its refresh token."""
        try:
            return self._for_session(session, refresh_token, admit)
        except SessionEnded:
            note("token_refresh_failed", session.user_id)
            raise

    def going_on(self, sessions: Iterable[BrowserSession]) -> BrowserSession | None:
        """The first of a browser's sessions that has not ended; the first one if all have, None if there is none."""
        first = None
        for session in sessions:
            if not self.is_over(session):
                return session
            first = first or session
        return first

    def active(self, sessions: Iterable[BrowserSession]) -> BrowserSession | None:
        """The first of a browser's sessions that has not ended, None if there is none."""
        return next((session for session in sessions if not self.is_over(session)), None)

    def is_over(self, session: BrowserSession) -> bool:
        """Whether the session was ended: its tokens are refused even if they are still valid."""
        if self._revocations.includes_own(session.id):
            return True
        principal = self._verifier.subject(session.access_token)
        return principal is not None and self._revocations.includes(principal)

    def _for_session(self, session: BrowserSession, refresh_token: str, admit: Admit) -> tuple[TokenAnswer, bool]:
        if self.is_over(session):
            admit()
            self._take_back(self._verifier.subject(session.access_token), refresh_token)
            raise SessionEnded
        try:
            refreshed = self._refresher.refresh(refresh_token, admit)
        except SessionOver:
            principal = self._verifier.subject(session.access_token)
            session_id = principal.session_id if principal is not None else None
            self._events.signed_out(session.user_id, session_id or session.id, "token_expired")
            raise SessionEnded from None
        if refreshed.subject not in (None, session.user_id):
            log.error("Auth: a refresh returned another user's ID token")
            raise SessionEnded
        principal = self._verifier.subject(refreshed.tokens.access_token)
        self._require_going_on(principal, refreshed)
        if self.is_over(session):  # it ended during the call to Keycloak
            self._take_back(principal, refreshed.tokens.refresh_token)
            raise SessionEnded
        self._announce(refreshed, principal, refresh_token, session)
        return refreshed.tokens, refreshed.asked

    def _require_going_on(self, principal: Principal | None, refreshed: RefreshedTokens) -> None:
        """Raises SessionEnded if the gateway ended the session of these tokens, without a sign-in since."""
        if principal is None:
            return
        if not self._revocations.may_refresh(principal):
            self._take_back(principal, refreshed.tokens.refresh_token)
            raise SessionEnded
        if refreshed.asked:
            self._revocations.accept(principal)
        elif self._revocations.includes(principal):  # a result from before the end
            raise SessionEnded

    def _take_back(self, principal: Principal | None, refresh_token: str | None) -> None:
        """Revoke it, unless that would end a later sign-in, which may have the same session at Keycloak."""
        if refresh_token is not None and (principal is None or not self._revocations.may_refresh(principal)):
            revoke(self._grants, self._revocations, refresh_token)

    def _announce(
        self, refreshed: RefreshedTokens, principal: Principal | None, old: str, session: BrowserSession | None
    ) -> None:
        if not refreshed.asked:
            return
        tokens = refreshed.tokens
        if principal is not None:
            self._revocations.exchange(old, tokens.refresh_token, principal, tokens.refresh_expires_in)
        user_id = session.user_id if session is not None else refreshed.subject
        note("token_refresh_success", user_id)
        claims = refreshed.claims or {"sub": user_id}
        who = subject_of(claims, principal, session.id if session is not None else None)
        if who is not None:
            self._events.refreshed(who, old, tokens.refresh_token, float(tokens.refresh_expires_in))
