"""Authlib's authorization server with Keycloak's manners: errors, revocation, the end of a session."""

from __future__ import annotations

from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import (
    InvalidClientError,
    InvalidGrantError,
    OAuth2Error,
    OAuth2Request,
    TokenEndpoint,
    UnauthorizedClientError,
)
from authlib.oauth2.rfc6749.util import extract_basic_authorization
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc9207 import IssuerParameter
from authlib.oidc.rpinitiated import EndSessionEndpoint, EndSessionRequest
from joserfc.jwk import KeySet

from demo.identity.grants import CodeGrant, DirectGrant, IdToken, Pkce, RefreshGrant
from demo.identity.provider import Provider
from demo.identity.sessions import Session
from demo.identity.settings import Client


class Server(AuthorizationServer):
    """The protocol half of a provider."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(query_client=provider.client, save_token=lambda token, request: None)
        self.provider = provider
        self.register_token_generator("default", self._tokens)
        self.register_grant(CodeGrant, [Pkce(required=True), IdToken(provider)])
        self.register_grant(RefreshGrant, [IdToken(provider)])
        self.register_grant(DirectGrant, [IdToken(provider)])
        self.register_endpoint(Revocation)
        self.register_endpoint(EndSession)
        self.register_endpoint(ClientLogout)
        self.register_extension(Issuer)

    def authenticate_client(self, request: OAuth2Request, methods: list[str], endpoint: str = "token") -> Client:
        """Basic or form (RFC 6749, 2.3.1). A wrong secret and an unknown client differ, as at Keycloak."""
        client_id, secret = extract_basic_authorization(request.headers)
        if client_id is None:
            client_id, secret = request.form.get("client_id"), request.form.get("client_secret")
        client: Client | None = self.query_client(client_id)
        if client is None:
            raise InvalidClientError("Invalid client or Invalid client credentials", status_code=401)
        if client.secret is None:
            request.auth_method = "none"
            return client
        if not client.check_client_secret(secret or ""):
            raise UnauthorizedClientError("Invalid client or Invalid client credentials", status_code=401)
        request.auth_method = "client_secret_basic"
        return client

    def _tokens(self, *, client: Client, user: Session, scope: str | None = None, **ignored: Any) -> dict[str, Any]:
        return self.provider.issue(user, client, scope)


class Revocation(RevocationEndpoint):
    """RFC 7009. A refresh token takes its session along; nobody hears of it through the back channel."""

    def query_token(self, token_string: str, token_type_hint: str | None) -> RevokedToken:
        provider: Provider = self.server.provider
        if claims := provider.read_refresh(token_string):
            return RevokedToken(claims["sid"], claims["azp"])
        if claims := provider.read_access(token_string):
            return RevokedToken(None, claims["azp"])
        raise OAuth2Error("Invalid token", error="invalid_token", status_code=200)

    def revoke_token(self, token: RevokedToken, request: OAuth2Request) -> None:
        if token.sid:
            self.server.provider.sessions.end(token.sid)


class RevokedToken:
    """A token that came to be revoked; without ``sid`` it is an access token, which cannot be called back."""

    def __init__(self, sid: str | None, client_id: str) -> None:
        self.sid, self.client_id = sid, client_id

    def check_client(self, client: Client) -> bool:
        return client.client_id == self.client_id


class EndSession(EndSessionEndpoint):
    """OIDC RP-Initiated Logout 1.0. The hint works without cookies, lapsed, and for an ended session."""

    def get_server_jwks(self) -> KeySet:
        provider: Provider = self.server.provider
        return provider.keys.key_set()

    def get_algorithms(self) -> list[str]:
        return ["RS256"]

    def end_session(self, end_session_request: EndSessionRequest) -> None:
        claims = end_session_request.id_token_claims or {}
        if sid := claims.get("sid"):
            self.server.provider.end_session(sid)


class ClientLogout(TokenEndpoint):
    """Keycloak's own call beside it: a client ends the session of its refresh token, and all clients hear of it."""

    ENDPOINT_NAME = "client_logout"

    def create_endpoint_response(self, request: OAuth2Request) -> tuple[int, str, list[tuple[str, str]]]:
        client = self.authenticate_endpoint_client(request)
        provider: Provider = self.server.provider
        claims = provider.read_refresh(request.form["refresh_token"])
        if claims is None or claims["azp"] != client.client_id:
            raise InvalidGrantError("Invalid refresh token")
        provider.end_session(claims["sid"])
        return 204, "", []


class Issuer(IssuerParameter):
    """``iss`` in every callback (RFC 9207)."""

    def __init__(self, server: Server) -> None:
        self.issuer = server.provider.issuer
        self(server)

    def get_issuer(self) -> str:
        return self.issuer
