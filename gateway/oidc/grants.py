"""Grants (RFC 6749) and revocations (RFC 7009) at Keycloak, by Authlib."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from requests import RequestException, Response

from gateway import errors
from gateway.errors import ErrorCode
from gateway.headers import TOKEN_BYTES
from gateway.oidc.credentials import ClientCredentials
from gateway.oidc.documents import KEYCLOAK_TIMEOUTS
from gateway.oidc.keycloak import Keycloak
from gateway.transport import Adapter, ConnectError, ConnectTimedOut, ResponseTimeout, seal

log = logging.getLogger("gateway.oidc")

UNKNOWN_LIFE = 1_209_600
"""The assumed lifetime of a refresh token in seconds if the response does not state it: two weeks."""


# RFC 6749 section 5.2 and Keycloak's own; any other value may be an echo of the request.
_ERRORS = frozenset(
    {"invalid_request", "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}
)


# The settings to check, by error.
_MENDS = {
    "invalid_client": "compare KEYCLOAK_CLIENT_ID and KEYCLOAK_CLIENT_SECRET (or the key of KEYCLOAK_CLIENT_KEY_FILE)"
    " with Clients > the client > Credentials in Keycloak",
    "invalid_scope": "compare KEYCLOAK_SCOPES with Clients > the client > Client scopes in Keycloak",
}


class SessionOver(Exception):
    """Keycloak answered `invalid_grant`: expired, ended, disabled, already used. A retry does not help."""


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """The successful response of a token endpoint (RFC 6749 section 5.1); lifetimes in seconds since it arrived."""

    access_token: str
    refresh_token: str | None
    id_token: str | None
    expires_in: int
    refresh_expires_in: int


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
        return _answer(
            lambda: self._session().fetch_token(
                endpoint, grant_type="authorization_code", code=code, redirect_uri=redirect_uri, code_verifier=verifier
            )
        )

    def refresh(self, refresh_token: str) -> TokenAnswer:
        """New tokens for a refresh token (RFC 6749 section 6), with its original scope: scopes configured later
        would be refused. Raises SessionOver if the session has ended."""
        endpoint = _known(self._keycloak.endpoints.token, "token_endpoint")
        return _answer(lambda: self._session().refresh_token(endpoint, refresh_token=refresh_token))

    def end_session(self, refresh_token: str) -> bool:
        """End the session of a refresh token at Keycloak, and that at a brokered identity provider (Keycloak's
        end-session endpoint accepts `refresh_token` by POST, and answers 204). Whether it was ended; never raises."""
        endpoint = self._keycloak.known_endpoints
        if endpoint is None or endpoint.end_session_internal is None:
            return False
        url, session = endpoint.end_session_internal, self._session()
        form = {"client_id": self._credentials.client_id, "refresh_token": refresh_token}
        try:
            response: Response = _asked(
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
        response: Response = _asked(
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


def _asked(ask: Callable[[], Any]) -> Any:
    """The result of `ask`, with the exceptions of libraries translated."""
    try:
        return ask()
    except OAuthError as error:
        if error.error == "invalid_grant":
            raise SessionOver from None
        word = error.error if str(error.error) in _ERRORS else "unknown"
        log.error("Keycloak refuses the gateway's client (%s): %s", word, _MENDS.get(word, _MENDS["invalid_client"]))
        raise errors.BadGateway(ErrorCode.KEYCLOAK_ERROR) from None
    except (ResponseTimeout, ConnectTimedOut):
        log.error("Keycloak: too slow (KEYCLOAK_ISSUER_URL or KEYCLOAK_INTERNAL_URL)")
        raise errors.GatewayTimeout(ErrorCode.KEYCLOAK_TIMEOUT) from None
    except ConnectError as error:
        log.error("Keycloak: cannot be reached (KEYCLOAK_ISSUER_URL or KEYCLOAK_INTERNAL_URL): %s", error)
        raise errors.ServiceUnavailable(2, ErrorCode.KEYCLOAK_UNAVAILABLE) from None
    except (RequestException, ValueError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        log.error("Keycloak: invalid response of the token endpoint (%s)", type(error).__name__)
        raise errors.BadGateway(ErrorCode.KEYCLOAK_ERROR) from None


def _answer(ask: Callable[[], Any]) -> TokenAnswer:
    token = _asked(ask)
    access, refresh, identity = (token.get(name) for name in ("access_token", "refresh_token", "id_token"))
    kind = token.get("token_type", "Bearer")
    if not _is_token(access) or not (refresh is None or _is_token(refresh)):
        log.error("Keycloak: the token endpoint's response contains no access token")
        raise errors.BadGateway(ErrorCode.KEYCLOAK_ERROR)
    if not isinstance(kind, str) or kind.lower() != "bearer":  # RFC 6749 section 7.1
        log.error("Keycloak: the token endpoint's response contains a token of an unknown type")
        raise errors.BadGateway(ErrorCode.KEYCLOAK_ERROR)
    if len(access) > TOKEN_BYTES:
        log.error(
            "Keycloak: an access token of %d bytes is over %d, which no request may carry: remove roles from it"
            " (Clients > the client > Client scopes > its dedicated scope > Scope)", len(access), TOKEN_BYTES,
        )  # fmt: skip
        raise errors.BadGateway(ErrorCode.KEYCLOAK_ERROR)
    return TokenAnswer(
        access_token=access,
        refresh_token=refresh,
        id_token=identity if _is_token(identity) else None,
        expires_in=_seconds(token.get("expires_in"), 60),
        refresh_expires_in=_seconds(token.get("refresh_expires_in"), UNKNOWN_LIFE),
    )


def _is_token(value: Any) -> bool:
    """RFC 6749 appendix A.12 and A.17: printable ASCII."""
    return isinstance(value, str) and value != "" and value.isascii() and value.isprintable()


def _seconds(value: Any, default: int) -> int:
    return int(value) if isinstance(value, (int, float)) and 0 < value < 10**9 else default


def digest_of(refresh_token: str) -> str:
    """The key of a refresh token in the store, from which the token cannot be derived."""
    return sha256(refresh_token.encode("utf-8", "replace")).hexdigest()
