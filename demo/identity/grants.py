"""The three ways to tokens, on Authlib's grants. What Authlib calls the user is a session here."""

from __future__ import annotations

from typing import Any, cast

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError, OAuth2Request, TokenMixin
from authlib.oauth2.rfc6749.grants import (
    AuthorizationCodeGrant,
    RefreshTokenGrant,
    ResourceOwnerPasswordCredentialsGrant,
)
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core.grants import OpenIDCode
from joserfc.jwk import RSAKey

from demo.identity.provider import Provider
from demo.identity.sessions import Code, Session
from demo.identity.settings import Client
from demo.identity.tokens import id_user_claims


class CodeGrant(AuthorizationCodeGrant):
    """Authorization code (RFC 6749, 4.1); a code is spent by the first attempt, also by one that fails."""

    @property
    def provider(self) -> Provider:
        return cast(Provider, self.server.provider)

    def generate_authorization_code(self) -> str:
        asked, data = self.request, self.request.payload.data
        return self.provider.sessions.add_code(
            asked.user,
            client_id=asked.client.client_id,
            redirect_uri=asked.payload.redirect_uri,
            scope=asked.scope,
            nonce=data.get("nonce"),
            code_challenge=data.get("code_challenge"),
            code_challenge_method=data.get("code_challenge_method"),
        )

    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        """Kept since it was made."""

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        return self.provider.sessions.redeem_code(code, client.client_id)

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """Spent since it was found; kept so that a replay is known as one."""

    def authenticate_user(self, authorization_code: Code) -> Session | None:
        return self.provider.sessions.get(authorization_code.sid)


class RefreshToken(TokenMixin):
    """A refresh token that was good when it came, and is spent."""

    def __init__(self, session: Session, chain: str, scope: str) -> None:
        self.session, self.chain, self.scope = session, chain, scope

    def check_client(self, client: Client) -> bool:
        """Checked before it was spent, or a foreign client could end a session."""
        return True

    def get_scope(self) -> str:
        return self.scope


class RefreshGrant(RefreshTokenGrant):
    """Refresh with rotation and without reuse (RFC 6749, 6; Keycloak's ``revokeRefreshToken``)."""

    INCLUDE_NEW_REFRESH_TOKEN = True

    @property
    def provider(self) -> Provider:
        return cast(Provider, self.server.provider)

    def authenticate_refresh_token(self, refresh_token: str) -> RefreshToken:
        claims = self.provider.read_refresh(refresh_token)
        if claims is None or claims["azp"] != self.request.client.client_id:
            raise InvalidGrantError("Invalid refresh token")
        session = self.provider.sessions.redeem_refresh(claims["sid"], claims["reuse_id"], claims["jti"])
        if session is None:
            raise InvalidGrantError("Session not active")
        return RefreshToken(session, claims["reuse_id"], claims["scope"])

    def authenticate_user(self, refresh_token: RefreshToken) -> Session:
        return refresh_token.session

    def issue_token(self, user: Session, refresh_token: RefreshToken) -> dict[str, Any]:
        scope = self.request.payload.scope or refresh_token.scope
        return self.provider.issue(user, self.request.client, scope, refresh_token.chain)

    def revoke_old_credential(self, refresh_token: RefreshToken) -> None:
        """Spent since it was found."""


class DirectGrant(ResourceOwnerPasswordCredentialsGrant):
    """User name and password straight for tokens, so that one curl line gets them (RFC 6749, 4.3)."""

    def authenticate_user(self, username: str, password: str) -> Session:
        provider: Provider = self.server.provider
        user = provider.user(username, password)
        if user is None:
            raise InvalidGrantError("Invalid user credentials", status_code=401)
        return provider.sessions.begin(user, browser=False)


class Pkce(CodeChallenge):
    """S256 and nothing else, required of clients that say so (RFC 7636)."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: CodeGrant, redirect_uri: str) -> None:
        data = grant.request.payload.data
        challenge, method = data.get("code_challenge"), data.get("code_challenge_method")
        if challenge and method != "S256":
            raise InvalidRequestError("Invalid parameter: code_challenge_method")
        if not challenge and grant.request.client.require_pkce:
            raise InvalidRequestError("Missing parameter: code_challenge_method")
        super().validate_code_challenge(grant, redirect_uri)


class IdToken(OpenIDCode):
    """Adds the ID token to an answer whose scope has ``openid``, after a refresh too."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(require_nonce=False)
        self.provider = provider

    def exists_nonce(self, nonce: str, request: OAuth2Request) -> bool:
        """Keycloak does not remember nonces: to check one is the client's task."""
        return False

    def resolve_client_private_key(self, client: Client) -> RSAKey:
        return self.provider.keys.current

    def get_encode_header(self, client: Client) -> dict[str, Any]:
        return {"alg": "RS256", "typ": "JWT", "kid": self.provider.keys.current.kid}

    def get_client_claims(self, client: Client) -> dict[str, Any]:
        return self.provider.id_claims(client)

    def generate_user_info(self, user: Session, scope: str) -> dict[str, Any]:
        return id_user_claims(user, scope)
