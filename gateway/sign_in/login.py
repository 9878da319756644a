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
from gateway.sessions import BrowserSession, Seal, SessionRevocations
from gateway.sign_in.auth_log import log, note
from gateway.sign_in.identity import subject_of
from gateway.tokens import ExpiredToken, IdTokens, InvalidToken, Verifier

LOGIN_SECONDS = 600
LOGINS = 5


class UsedStates(Protocol):
    """Where used states are remembered."""

    def add(self, key: str, life: float) -> bool: ...


class LoginExpired(errors.BadRequest):
    """There is no such login of this browser, any more or yet."""

    reason = "expired"
    message = "This sign-in was not begun in this browser, has expired, or was used already"
    code = ErrorCode.LOGIN_EXPIRED


class LoginFailed(errors.BadRequest):
    """Keycloak, or what came back of it, does not let the user in. `reason`, for the log: `issuer` (the answer's `iss`
    is another, or missing), `denied` (by the user's or Keycloak's own word), `unavailable` (Keycloak says that it can
    not now), `misconfigured` (the client may not do this), `refused` (another error of Keycloak's), `token` (its ID
    token)."""

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
"""What Keycloak says, as the error's description, of a login form that was left open for too long."""


@dataclass(frozen=True, slots=True)
class Login:
    """One login under way; it lives in a sealed cookie of the browser that began it. `begun` in epoch seconds."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    frontend: str
    return_to: str
    begun: float

    @property
    def cookie(self) -> str:
        """The name of its cookie: one for each login, so that two tabs can sign in at once."""
        return cookie_of(self.state)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A login that came to its end: the tokens, the ID token's claims, whom the access token speaks for, and the
    browser's session."""

    tokens: TokenAnswer
    claims: Mapping[str, Any]
    principal: Principal | None
    session: BrowserSession


class LoginFlow:
    """Begins logins and completes them."""

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
        """A new login, its cookie's value, and the URL where the browser signs in."""
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
        """Of these login cookies (name to the values that it may have) the ones that have to go so that one more makes
        LOGINS: the oldest, and first those that are no good any more."""
        begun = {
            name: max((opened["begun"] for opened in map(self._opened, values) if opened is not None), default=0.0)
            for name, values in cookies.items()
        }
        return sorted(begun, key=lambda name: begun[name])[: max(0, len(begun) - LOGINS + 1)]

    def find(self, state: str, values: Iterable[str]) -> Login:
        """The login of this state, in one of the values that its cookie may have. LoginExpired where it is in none."""
        for content in map(self._opened, values):
            if content is not None and content.get("state") == state:
                return Login(**content)
        raise LoginExpired()

    def _opened(self, value: str) -> dict[str, Any] | None:
        """What a login cookie holds, None where it is no good or too old."""
        return self._seal.open(value, LOGIN_SECONDS)

    def complete(self, login: Login, query: Mapping[str, str]) -> SignedIn:
        """The end of a login; `welcome` follows once the browser has its session.

        1. The answer is of our issuer (RFC 9207; `iss` is required where the issuer says that it sends one).
        2. The login is used up, on this machine or in Redis, before anything is asked of Keycloak.
        3. The code is exchanged; 4. the ID token is verified, 5. and the access token: one that the gateway will refuse
           is told now, and not by a session that nothing can be done with.

        Raises LoginFailed, LoginExpired, or what the token endpoint's failure is (see Grants); BadGateway for an access
        token that will be refused.
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
        """The session begins: an end of an earlier one of the same name is lifted, and others are told."""
        if signed_in.principal is not None:
            self._revocations.sign_in(signed_in.principal)
        note("login_success", signed_in.session.user_id)
        who = subject_of(signed_in.claims, signed_in.principal, signed_in.session.id)
        if who is not None:
            tokens = signed_in.tokens
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
        """What an error of Keycloak's in a callback is."""
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
            return self._verifier.verify(tokens.access_token)
        except ExpiredToken:  # a refresh helps
            return self._verifier.subject(tokens.access_token)
        except InvalidToken as refusal:
            log.error(
                "Auth: every access token of this client will be refused (%s): %s",
                refusal.reason, refusal.explanation or "compare JWT_ALGORITHMS and JWT_AUDIENCE with the client's"
                " settings in Keycloak (Clients > the client > Advanced)",
            )  # fmt: skip
            raise errors.BadGateway(ErrorCode.MISCONFIGURED) from refusal


def cookie_of(state: str) -> str:
    """The name of the cookie that a login of this state has."""
    return LOGIN_COOKIE + sha256(state.encode("utf-8", "replace")).hexdigest()[:16]
