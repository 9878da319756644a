"""Signing in: one transaction per login, from the redirect to Keycloak to the tokens (RFC 6749 4.1, 7636, 9207)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from secrets import token_urlsafe
from time import time
from typing import Any, Protocol

from gateway import errors
from gateway.headers import LOGIN_COOKIE
from gateway.oidc import Grants, SessionOver, TokenAnswer
from gateway.sessions.sealing import Seal
from gateway.tokens import IdTokens, InvalidToken

LOGIN_SECONDS = 600
LOGINS = 5


class UsedStore(Protocol):
    """Where used states are remembered."""

    def add(self, key: str, life: float) -> bool: ...


class LoginExpired(errors.BadRequest):
    """There is no such login of this browser, any more or yet."""

    reason = "expired"
    message = "This sign-in was not begun in this browser, has expired, or was used already"


class LoginFailed(errors.BadRequest):
    """Keycloak, or what came back of it, does not let the user in. `reason`, for the log: `issuer` (the answer's `iss`
    is another, or missing), `denied` (by the user's or Keycloak's own word), `refused` (another error of Keycloak's),
    `token` (its ID token)."""

    message = "Sign-in failed"

    def __init__(self, reason: str) -> None:
        self.denied = reason == "denied"
        super().__init__("Sign-in was denied" if self.denied else None)
        self.reason = reason


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
    """A login that came to its end: the tokens and the ID token's claims."""

    login: Login
    tokens: TokenAnswer
    claims: Mapping[str, Any]


class SignIn:
    """Begins logins and completes them."""

    def __init__(self, grants: Grants, id_tokens: IdTokens, seal: Seal, used: UsedStore, issuer: str) -> None:
        self._grants = grants
        self._id_tokens = id_tokens
        self._seal = seal
        self._used = used
        self._issuer = issuer

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

    def surplus(self, cookies: Mapping[str, str | None]) -> list[str]:
        """Of these login cookies (name to value) the ones that have to go so that one more makes LOGINS: the oldest,
        and first those that are no good any more."""
        begun = {name: (self.opened(value) or {}).get("begun", 0.0) for name, value in cookies.items()}
        return sorted(begun, key=lambda name: begun[name])[: max(0, len(begun) - LOGINS + 1)]

    def find(self, state: str, value: str | None) -> Login:
        """The login of this state in its cookie's value. LoginExpired where that is not there, or another's."""
        content = self.opened(value)
        if content is None or content.get("state") != state:
            raise LoginExpired()
        return Login(**content)

    def opened(self, value: str | None) -> dict[str, Any] | None:
        """What a login cookie holds, None where it is no good or too old."""
        return self._seal.open(value, LOGIN_SECONDS)

    def complete(self, login: Login, query: Mapping[str, str], *, iss_parameter_supported: bool) -> SignedIn:
        """The end of a login.

        1. The answer is of our issuer (RFC 9207; required where it says that it `iss_parameter_supported`).
        2. The login is used up, on this machine or in Redis, before anything is asked of Keycloak.
        3. The code is exchanged; 4. the ID token is verified.

        Raises LoginFailed, LoginExpired, or what the token endpoint's failure is (see Grants).
        """
        issuer = query.get("iss")
        if (issuer is not None or iss_parameter_supported) and issuer != self._issuer:  # 1
            raise LoginFailed("issuer")
        if not self._used.add(f"state:{login.state}", LOGIN_SECONDS):  # 2
            raise LoginExpired()
        if "error" in query:
            raise LoginFailed("denied" if query["error"] == "access_denied" else "refused")
        try:
            tokens = self._grants.exchange(query["code"], login.redirect_uri, login.verifier)  # 3
            claims = self._id_tokens.verify(tokens.id_token, tokens.access_token, login.nonce)  # 4
        except SessionOver:
            raise LoginExpired() from None
        except InvalidToken as refusal:
            raise LoginFailed("token") from refusal
        return SignedIn(login, tokens, claims)


def cookie_of(state: str) -> str:
    """The name of the cookie that a login of this state has."""
    return LOGIN_COOKIE + sha256(state.encode("utf-8", "replace")).hexdigest()[:16]
