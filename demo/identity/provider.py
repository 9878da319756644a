"""The provider itself: what it signs, and what a test may ask of it in process."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

from authlib.oauth2.rfc6749 import InvalidScopeError
from joserfc import jwt
from joserfc.errors import JoseError

from demo.identity import backchannel, tokens
from demo.identity.keys import SigningKeys
from demo.identity.sessions import Session, Sessions
from demo.identity.settings import Client, ProviderSettings, User


class Provider:
    """A realm at work. Safe to call from any thread."""

    def __init__(self, settings: ProviderSettings) -> None:
        self.settings = settings
        self.issuer = settings.issuer
        self.keys = SigningKeys()
        self.sessions = Sessions(settings.refresh_lifetime, settings.code_lifetime)
        self._clients = {client.client_id: client for client in settings.clients}
        self._users = {user.username: user for user in settings.users}
        self._calls: Counter[str] = Counter()
        self._calls_lock = threading.Lock()

    # What a test asks for.

    def mint(
        self,
        username: str = "cora",
        *,
        client_id: str | None = None,
        scope: str = "openid email profile",
        headers: dict[str, Any] | None = None,
        drop: tuple[str, ...] = (),
        **claims: Any,
    ) -> str:
        """An access token without a session; ``claims`` and ``headers`` replace its own, ``drop`` removes."""
        session, client = self._passing(username, client_id)
        made = tokens.access_claims(self.issuer, session, client, scope, self._lifetime(client))
        return self.sign(_edited(made, drop, claims), headers)

    def mint_id(
        self,
        username: str = "cora",
        *,
        client_id: str | None = None,
        headers: dict[str, Any] | None = None,
        drop: tuple[str, ...] = (),
        **claims: Any,
    ) -> str:
        """An ID token, as :meth:`mint`; a ``nonce`` or ``at_hash`` is one of the ``claims``."""
        session, client = self._passing(username, client_id)
        made = self.id_claims(client) | tokens.id_user_claims(session, "openid email profile")
        return self.sign(_edited(made, drop, claims), headers)

    def mint_logout(
        self,
        username: str = "cora",
        *,
        client_id: str | None = None,
        headers: dict[str, Any] | None = None,
        drop: tuple[str, ...] = (),
        **claims: Any,
    ) -> str:
        """A logout token, as :meth:`mint`."""
        session, client = self._passing(username, client_id)
        made = tokens.logout_claims(self.issuer, session, client)
        return self.sign(_edited(made, drop, claims), {"typ": "logout+jwt", **(headers or {})})

    def sign(self, claims: dict[str, Any], headers: dict[str, Any] | None = None) -> str:
        """Any claims, signed with the current key; ``headers`` may name another RSA algorithm or ``kid``."""
        key = self.keys.current
        header = {"alg": "RS256", "typ": "JWT", "kid": key.kid, **(headers or {})}
        return jwt.encode(header, claims, key, [header["alg"]])

    @property
    def calls(self) -> Counter[str]:
        """Calls of each endpoint: discovery, certs, auth, login, token, revoke, logout, userinfo."""
        with self._calls_lock:
            return Counter(self._calls)

    def reset_calls(self) -> None:
        with self._calls_lock:
            self._calls.clear()

    def rotate_keys(self) -> str:
        """A new key signs at once; the old one stays listed. Returns the new ``kid``."""
        return self.keys.rotate()

    def drop_key(self, kid: str) -> None:
        """Take a key off the list; ``KeyError`` if it is not on it."""
        self.keys.drop(kid)

    def end_session(self, sid: str) -> bool:
        """End a session as an administrator does, with back-channel calls; whether there was one."""
        session = self.sessions.end(sid)
        if session is None:
            return False
        for client_id in sorted(session.clients):
            client = self._clients[client_id]
            if client.backchannel_logout_url:
                token = self.sign(tokens.logout_claims(self.issuer, session, client), {"typ": "logout+jwt"})
                backchannel.notify(client.backchannel_logout_url, token, self.settings.backchannel_timeout)
        return True

    # What the endpoints ask for.

    def count(self, endpoint: str) -> None:
        with self._calls_lock:
            self._calls[endpoint] += 1

    def client(self, client_id: str) -> Client | None:
        return self._clients.get(client_id)

    def user(self, username: str, password: str) -> User | None:
        """The user whose name (or address) and password these are."""
        for user in self._users.values():
            if username in (user.username, user.email) and password == user.password:
                return user
        return None

    def issue(self, session: Session, client: Client, scope: str | None, chain: str | None = None) -> dict[str, Any]:
        """The body of a token answer (RFC 6749, 5.1) as Keycloak gives it; the grant adds the ID token."""
        granted = client.get_allowed_scope(scope)
        if granted is None:
            raise InvalidScopeError("Invalid scopes")
        session.clients.add(client.client_id)
        lifetime, refresh_lifetime = self._lifetime(client), self.settings.refresh_lifetime
        answer: dict[str, Any] = {
            "access_token": self.sign(tokens.access_claims(self.issuer, session, client, granted, lifetime)),
            "expires_in": lifetime,
            "token_type": "Bearer",
            "not-before-policy": 0,
            "session_state": session.sid,
            "scope": granted,
        }
        if client.check_grant_type("refresh_token"):
            chain, jti = self.sessions.add_refresh(session, chain)
            claims = tokens.refresh_claims(self.issuer, session, client, granted, refresh_lifetime, chain, jti)
            refresh = jwt.encode({"alg": "HS512", "typ": "JWT"}, claims, self.keys.secret, ["HS512"])
            answer |= {"refresh_expires_in": refresh_lifetime, "refresh_token": refresh}
        return answer

    def id_claims(self, client: Client) -> dict[str, Any]:
        """What every ID token for this client says."""
        return tokens.id_client_claims(self.issuer, client, self._lifetime(client))

    def read_refresh(self, token: str) -> dict[str, Any] | None:
        """The claims of a refresh token of ours that has not lapsed."""
        try:
            claims = jwt.decode(token, self.keys.secret, ["HS512"]).claims
        except (JoseError, ValueError):
            return None
        return claims if claims.get("typ") == "Refresh" and claims["exp"] > time.time() else None

    def read_access(self, token: str) -> dict[str, Any] | None:
        """The claims of an access token of ours whose session goes on."""
        try:
            claims = jwt.decode(token, self.keys.key_set(), ["RS256"]).claims
        except (JoseError, ValueError):
            return None
        if claims.get("typ") != "Bearer" or claims["exp"] <= time.time():
            return None
        return claims if self.sessions.get(claims["sid"]) else None

    def _lifetime(self, client: Client) -> int:
        return client.access_lifetime or self.settings.access_lifetime

    def _passing(self, username: str, client_id: str | None) -> tuple[Session, Client]:
        """A session that is not kept."""
        now = time.time()
        client = self._clients[client_id] if client_id else self.settings.clients[0]
        return Session(f"minted-{time.monotonic_ns():x}", self._users[username], int(now), "", now), client


def _edited(claims: dict[str, Any], drop: tuple[str, ...], changed: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**claims, **changed}.items() if name not in drop}
