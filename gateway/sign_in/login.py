"""Signing in: one transaction per login, from the redirect to Keycloak to the tokens (RFC 6749 4.1, 7636, 9207)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from secrets import token_urlsafe
from time import time
from types import MappingProxyType
from typing import Any, Protocol

from gateway import errors
from gateway.errors import ErrorCode
from gateway.events import AuthEvents
from gateway.headers import LOGIN_COOKIE
from gateway.oidc import Advice, Grants, SessionOver, TokenAnswer
from gateway.scope import Principal
from gateway.sessions import BrowserSession, Seal, SessionRevocations, misfit
from gateway.sign_in.auth_log import log, note
from gateway.sign_in.identity import subject_of
from gateway.tokens import ExpiredToken, IdTokens, InvalidToken, Verifier

LOGIN_SECONDS = 600
LOGINS = 5


class UsedStates(Protocol):
    """Remembers used states."""

    def add(self, key: str, life: float) -> bool: ...


class LoginExpired(errors.BadRequest):
    """This browser has no such login, or it has expired or was used."""

    reason = "expired"
    message = "This sign-in was not begun in this browser, has expired, or was used already"
    code = ErrorCode.LOGIN_EXPIRED


class LoginFailed(errors.BadRequest):
    """The sign-in failed. `reason`, for the log: `issuer` (`iss` of the response is wrong or missing), `denied` (by the
    user or by Keycloak), `unavailable` (Keycloak is temporarily unavailable), `misconfigured` (the client lacks a
    permission), `refused` (another error from Keycloak), `token` (an invalid ID token)."""

    message = "Sign-in failed"
    code = ErrorCode.LOGIN_FAILED

    def __init__(self, reason: str, code: ErrorCode = ErrorCode.LOGIN_FAILED) -> None:
        super().__init__("Sign-in was denied" if code is ErrorCode.LOGIN_DENIED else None, code=code)
        self.reason = reason


# RFC 6749 section 4.1.2.1; every other error is `refused`.
_REFUSALS: Mapping[str, tuple[str, ErrorCode]] = MappingProxyType(
    {
        "access_denied": ("denied", ErrorCode.LOGIN_DENIED),
        "server_error": ("unavailable", ErrorCode.KEYCLOAK_UNAVAILABLE),
        "temporarily_unavailable": ("unavailable", ErrorCode.KEYCLOAK_UNAVAILABLE),
        "invalid_scope": ("misconfigured", ErrorCode.MISCONFIGURED),
        "unauthorized_client": ("misconfigured", ErrorCode.MISCONFIGURED),
    }
)
_LAPSED = "authentication_expired"
"""Keycloak's error description for a login form that was left open too long."""


@dataclass(frozen=True, slots=True)
class Login:
    """One login in progress, stored in a sealed cookie of the browser that started it. `begun` in epoch seconds."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    frontend: str
    return_to: str
    begun: float

    @property
    def cookie(self) -> str:
        """The name of its cookie: one per login, so that two tabs can sign in at once."""
        return cookie_of(self.state)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A completed login: the tokens, the claims of the ID token, the Principal of the access token, and the session of
    the browser."""

    tokens: TokenAnswer
    claims: Mapping[str, Any]
    principal: Principal | None
    session: BrowserSession


class LoginFlow:
    """Starts and completes logins."""

    def __init__(
        self,
        grants: Grants,
        id_tokens: IdTokens,
        verifier: Verifier,
        revocations: SessionRevocations,
        events: AuthEvents,
        seal: Seal,
        used: UsedStates,
        advice: Advice,
    ) -> None:
        self._grants = grants
        self._id_tokens = id_tokens
        self._verifier = verifier
        self._revocations = revocations
        self._events = events
        self._seal = seal
        self._used = used
        self._advice = advice

    def begin(self, redirect_uri: str, frontend: str, return_to: str) -> tuple[Login, str, str]:
        """A new login, the value of its cookie, and the URL of the sign-in for the browser."""
        login = Login(
            state=token_urlsafe(32),
            nonce=token_urlsafe(32),
            verifier=token_urlsafe(48),
            redirect_uri=redirect_uri,
            frontend=frontend,
            return_to=return_to,
            begun=time(),
        )
        url = self._grants.authorization_url(redirect_uri, login.state, login.nonce, login.verifier)
        return login, self._seal.seal(asdict(login)), url

    def surplus(self, cookies: Mapping[str, Iterable[str]]) -> list[str]:
        """The login cookies to remove so that one more makes LOGINS: first the invalid ones, then the oldest. The
        argument maps each name to its possible values."""
        begun = {
            name: max((opened["begun"] for opened in map(self._opened, values) if opened is not None), default=0.0)
            for name, values in cookies.items()
        }
        return sorted(begun, key=lambda name: begun[name])[: max(0, len(begun) - LOGINS + 1)]

    def find(self, state: str, values: Iterable[str]) -> Login:
        """The login of this state, from a possible value of its cookie. Raises LoginExpired if there is none."""
        for content in map(self._opened, values):
            if content is not None and content.get("state") == state:
                return Login(**content)
        raise LoginExpired()

    def _opened(self, value: str) -> dict[str, Any] | None:
        """The login in a cookie, None if it is invalid or too old."""
        return self._seal.open(value, LOGIN_SECONDS)

    def complete(self, login: Login, query: Mapping[str, str]) -> SignedIn:
        """Complete a login; `welcome` follows once the browser has its session.

        1. The response is from the configured issuer (RFC 9207; `iss` is required if the issuer announces it).
        2. The login is marked as used, on this machine or in Redis, before Keycloak is called.
        3. The code is exchanged, 4. the ID token is verified, 5. and so is the access token: if the gateway would
           refuse it later, the sign-in fails now, instead of creating an unusable session.

        Raises LoginFailed, LoginExpired, or the error of the token endpoint (see Grants); BadGateway for an access
        token that would be refused.
        """
        try:
            if not query.get("code") and "error" not in query:
                raise errors.BadRequest("code is missing")
            self._require_issuer(query.get("iss"))  # 1
            if not self._used.add(f"state:{login.state}", LOGIN_SECONDS):  # 2
                raise LoginExpired()
            if "error" in query:
                raise self._refusal(query["error"], query.get("error_description", ""))
            tokens = self._grants.exchange(query["code"], login.redirect_uri, login.verifier)  # 3
            claims = self._claims(tokens, login)  # 4
            principal = self._principal(tokens)  # 5
        except SessionOver:
            failure: errors.GatewayError = LoginExpired()
        except errors.GatewayError as error:
            failure = error
        else:
            return SignedIn(tokens, claims, principal, BrowserSession.of(str(claims["sub"]), tokens))
        note("login_failed", None, reason=getattr(failure, "reason", f"status {failure.status}"))
        raise failure

    def welcome(self, signed_in: SignedIn) -> None:
        """Start the session: lift a revocation of an earlier one with the same id, and publish the event."""
        tokens = signed_in.tokens
        if signed_in.principal is not None:
            self._revocations.sign_in(signed_in.principal)
            if tokens.refresh_token is not None:
                self._revocations.give(tokens.refresh_token, signed_in.principal, tokens.refresh_expires_in)
        note("login_success", signed_in.session.user_id)
        who = subject_of(signed_in.claims, signed_in.principal, signed_in.session.id)
        if who is not None:
            self._events.signed_in(who, tokens.refresh_token, float(tokens.refresh_expires_in))

    def _require_issuer(self, issuer: str | None) -> None:
        if issuer is None and not self._grants.iss_parameter_supported:
            return
        if issuer == self._id_tokens.issuer:
            return
        if issuer is None:
            self._advice.give("iss_missing")
        raise LoginFailed("issuer")

    def _refusal(self, error: str, description: str) -> errors.GatewayError:
        """The exception for Keycloak's error in a callback."""
        if _LAPSED in (error, description):
            return LoginExpired()
        reason, code = _REFUSALS.get(error, ("refused", ErrorCode.LOGIN_FAILED))
        if code is ErrorCode.MISCONFIGURED:
            self._advice.give(error)
        return LoginFailed(reason, code)

    def _claims(self, tokens: TokenAnswer, login: Login) -> Mapping[str, Any]:
        try:
            return self._id_tokens.verify(tokens.id_token, tokens.access_token, login.nonce)
        except InvalidToken as refusal:
            log.warning("Auth: ID token refused: %s", refusal.explanation or refusal.reason)
            raise LoginFailed("token") from refusal

    def _principal(self, tokens: TokenAnswer) -> Principal | None:
        try:
            return self._verifier.verify(tokens.access_token, fetched=True)
        except ExpiredToken:  # a refresh helps
            return self._verifier.subject(tokens.access_token)
        except InvalidToken as refusal:
            raise misfit(refusal) from refusal


def cookie_of(state: str) -> str:
    """The name of the cookie of a login with this state."""
    return LOGIN_COOKIE + sha256(state.encode("utf-8", "replace")).hexdigest()[:16]
