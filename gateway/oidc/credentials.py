"""Client authentication at Keycloak: by secret, or by a private key that never leaves the gateway."""

from __future__ import annotations

import warnings
from base64 import b64encode
from typing import Any, Protocol
from urllib.parse import quote_plus

from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.errors import SecurityWarning
from joserfc.jwk import Key

from gateway.client_key import signing_key


class ClientCredentials(Protocol):
    """The gateway's credentials at Keycloak."""

    client_id: str
    method: str
    """The method's name in Authlib, for every endpoint that authenticates the client."""

    def register(self, session: OAuth2Session) -> None:
        """Register the method at a session of Authlib."""


class SecretCredentials:
    """`client_secret_basic` by RFC 6749 section 2.3.1: id and secret are form-urlencoded first, so that any character
    works. (Authlib does not do that.)"""

    method = "client_secret_basic_encoded"

    def __init__(self, client_id: str, client_secret: str) -> None:
        self.client_id = client_id
        pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"
        self._header = f"Basic {b64encode(pair.encode()).decode()}"

    def register(self, session: OAuth2Session) -> None:
        session.register_client_auth_method((self.method, self._sign))

    def _sign(self, client: Any, method: str, uri: str, headers: Any, body: Any) -> tuple[str, Any, Any]:
        headers["Authorization"] = self._header
        return uri, headers, body


class KeyCredentials:
    """`private_key_jwt` (RFC 7523 section 2.2; RFC 9700 section 2.5): an assertion for each call, valid for a
    minute."""

    method = PrivateKeyJWT.name

    def __init__(self, client_id: str, pem: str, issuer: str) -> None:
        """`pem`: an RSA, EC or Ed25519 private key. The audience of the assertions is the `issuer`, regardless of
        Keycloak's internal address."""
        self.client_id = client_id
        key, algorithm = signing_key(pem)
        self._jwt = _Assertion(issuer, key, algorithm)

    def register(self, session: OAuth2Session) -> None:
        session.register_client_auth_method(self._jwt)


class _Assertion(PrivateKeyJWT):  # type: ignore[misc]  # Authlib has no types
    def __init__(self, audience: str, key: Key, algorithm: str) -> None:
        super().__init__(token_endpoint=audience, alg=algorithm)
        self._key = key

    def sign(self, auth: Any, token_endpoint: str) -> Any:
        auth.client_secret = self._key
        with warnings.catch_warnings():
            # RFC 9864 calls it Ed25519, but Keycloak only knows the name EdDSA.
            warnings.filterwarnings("ignore", "EdDSA is deprecated", SecurityWarning)
            return super().sign(auth, token_endpoint)
