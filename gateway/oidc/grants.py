"""Grants (RFC 6749) and revocations (RFC 7009) at Keycloak, by Authlib."""

from __future__ import annotations

import logging
from urllib.parse import urlencode

from authlib.integrations.requests_client import OAuth2Session
from requests import Response

from gateway import errors
from gateway.errors import ErrorCode
from gateway.oidc.credentials import ClientCredentials
from gateway.oidc.documents import KEYCLOAK_TIMEOUTS
from gateway.oidc.keycloak import Keycloak
from gateway.oidc.token_endpoint import SessionOver, TokenAnswer, answer_of, refusal_of, token_answer
from gateway.transport import Adapter, seal

log = logging.getLogger("gateway.oidc")


class _Session(OAuth2Session):
    def get_redirect_target(self, resp: Response) -> str | None:
        """Follow no redirect: Keycloak's endpoints do not redirect, and the client secret must not go elsewhere."""
        return None


class Grants:
    """Calls Keycloak's endpoints as one client.

    Every call raises ServiceUnavailable if Keycloak cannot be reached, GatewayTimeout if it is too slow, BadGateway if
    its response is invalid or an error, or it refuses the client itself, which a log line explains.
    """

    def __init__(self, keycloak: Keycloak, adapter: Adapter, credentials: ClientCredentials, scopes: str) -> None:
        """`scopes`: separated by spaces."""
        self._keycloak = keycloak
        self._adapter = adapter
        self._credentials = credentials
        self._scopes = scopes

    @property
    def iss_parameter_supported(self) -> bool:
        """Whether each callback contains `iss` (RFC 9207). Raises ServiceUnavailable if Keycloak was never read."""
        return self._keycloak.endpoints.iss_parameter_supported

    def authorization_url(self, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """The authorization URL for the browser (RFC 6749 section 4.1.1, RFC 7636 with S256)."""
        endpoint = _known(self._keycloak.endpoints.authorization, "authorization_endpoint")
        url, _ = self._session().create_authorization_url(
            endpoint, state=state, code_verifier=verifier, nonce=nonce, redirect_uri=redirect_uri, scope=self._scopes
        )
        return str(url)

    def exchange(self, code: str, redirect_uri: str, verifier: str) -> TokenAnswer:
        """The tokens for a code (RFC 6749 section 4.1.3). Raises SessionOver if the code is no longer valid."""
        endpoint = _known(self._keycloak.endpoints.token, "token_endpoint")
        return token_answer(
            lambda: self._session().fetch_token(
                endpoint, grant_type="authorization_code", code=code, redirect_uri=redirect_uri, code_verifier=verifier
            )
        )

    def refused(self, redirect_uri: str) -> str:
        """The error of the token endpoint (RFC 6749 section 5.2) for a code that it never gave: `invalid_grant` where
        it knows the client. Empty where it answers as if the code were good; requests.RequestException where nobody
        answers."""
        endpoint = _known(self._keycloak.endpoints.token, "token_endpoint")
        return refusal_of(
            lambda: self._session().fetch_token(
                endpoint,
                grant_type="authorization_code",
                code="none",
                redirect_uri=redirect_uri,
                code_verifier="a" * 43,
            )
        )

    def refresh(self, refresh_token: str) -> TokenAnswer:
        """New tokens for a refresh token (RFC 6749 section 6), with its original scope: scopes configured later
        would be refused. Raises SessionOver if the session has ended."""
        endpoint = _known(self._keycloak.endpoints.token, "token_endpoint")
        return token_answer(lambda: self._session().refresh_token(endpoint, refresh_token=refresh_token))

    def end_session(self, refresh_token: str) -> bool:
        """End the session of a refresh token at Keycloak, and that at a brokered identity provider (Keycloak's
        end-session endpoint accepts `refresh_token` by POST, and answers 204). Whether it was ended; never raises."""
        endpoint = self._keycloak.known_endpoints
        if endpoint is None or endpoint.end_session_internal is None:
            return False
        url, session = endpoint.end_session_internal, self._session()
        form = {"client_id": self._credentials.client_id, "refresh_token": refresh_token}
        try:
            response: Response = answer_of(
                lambda: session.post(
                    url, data=form, auth=session.client_auth(self._credentials.method), withhold_token=True
                )
            )
        except (errors.GatewayError, SessionOver):
            return False
        return bool(response.status_code == 204)  # 200 is a page for a person: this provider does not support the call

    def revoke(self, refresh_token: str) -> None:
        """Revoke a refresh token (RFC 7009 section 2.1)."""
        endpoint = self._keycloak.endpoints.revocation
        if endpoint is None:
            return
        response: Response = answer_of(
            lambda: self._session().revoke_token(endpoint, refresh_token, token_type_hint="refresh_token")  # noqa: S106
        )
        if response.status_code != 200:
            log.error("Keycloak: a refresh token was not revoked: status %d", response.status_code)
            raise errors.BadGateway(ErrorCode.KEYCLOAK_ERROR)

    def end_session_url(self, id_token: str | None, redirect_uri: str) -> str | None:
        """The URL that ends the browser's session at Keycloak (OpenID Connect RP-Initiated Logout 1.0 section 2)."""
        endpoint = self._keycloak.endpoints.end_session
        if endpoint is None:
            return None
        hint = [("id_token_hint", id_token)] if id_token else []
        asked = [*hint, ("client_id", self._credentials.client_id), ("post_logout_redirect_uri", redirect_uri)]
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    def _session(self) -> OAuth2Session:
        session = _Session(
            self._credentials.client_id,
            token_endpoint_auth_method=self._credentials.method,
            revocation_endpoint_auth_method=self._credentials.method,
            code_challenge_method="S256",
        )
        self._credentials.register(session)
        seal(session, self._adapter)
        session.default_timeout = KEYCLOAK_TIMEOUTS
        return session


def _known(endpoint: str | None, name: str) -> str:
    if endpoint is None:
        log.error("Keycloak: the discovery document lacks %s", name)
        raise errors.BadGateway(ErrorCode.KEYCLOAK_ERROR)
    return endpoint
