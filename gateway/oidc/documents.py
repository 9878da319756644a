"""What an issuer publishes about itself: its discovery document and its keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, overload

from gateway.keys import KeySet
from gateway.transport import SealedSession, Timeouts

DOCUMENT_BYTES = 1 << 20
KEYCLOAK_TIMEOUTS = Timeouts(connect=2.0, read=5.0, total=5.0)


class KeycloakFault(Exception):
    """Keycloak's response was not usable; the message is for the log."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The parts of the discovery document that the gateway needs (OpenID Connect Discovery 1.0 section 3).

    `authorization` and `end_session` are URLs for the browser, the others, including `end_session_internal`, are for
    the gateway; `iss_parameter_supported`: a callback contains `iss` (RFC 9207)."""

    jwks: str
    authorization: str | None
    token: str | None
    revocation: str | None
    end_session: str | None
    end_session_internal: str | None
    iss_parameter_supported: bool


class IssuerDocuments:
    """Reads them anew at each call."""

    def __init__(self, issuer: str, internal_url: str, session: SealedSession) -> None:
        """`issuer` is compared character for character; `internal_url` is where the gateway reaches it."""
        self._issuer = issuer
        self._internal = internal_url
        self._session = session

    @property
    def discovery_url(self) -> str:
        """The URL of the discovery document."""
        return self._internal.rstrip("/") + "/.well-known/openid-configuration"

    @property
    def setting(self) -> str:
        """The setting that names the address at which the gateway reaches the issuer."""
        return "KEYCLOAK_ISSUER_URL" if self._internal == self._issuer else "KEYCLOAK_INTERNAL_URL"

    @property
    def place(self) -> str:
        """The URL of the issuer and the setting that names it, for the log."""
        return f"{self._internal} ({self.setting})"

    def endpoints(self) -> Endpoints:
        """Read the discovery document. Raises KeycloakFault, and RequestException if there is no answer."""
        document = self._document(self.discovery_url)
        if document.get("issuer") != self._issuer:
            raise KeycloakFault(
                f"KEYCLOAK_ISSUER_URL is {self._issuer!r}, but the document there says {document.get('issuer')!r}:"
                " set it to that, or KEYCLOAK_INTERNAL_URL where the gateway reaches Keycloak by another address"
            )
        jwks = _endpoint(document, "jwks_uri")
        if jwks is None:
            raise KeycloakFault("the discovery document lacks jwks_uri")
        return Endpoints(
            jwks=self.reached(jwks),
            authorization=_endpoint(document, "authorization_endpoint"),
            token=self.reached(_endpoint(document, "token_endpoint")),
            revocation=self.reached(_endpoint(document, "revocation_endpoint")),
            end_session=_endpoint(document, "end_session_endpoint"),
            end_session_internal=self.reached(_endpoint(document, "end_session_endpoint")),
            iss_parameter_supported=document.get("authorization_response_iss_parameter_supported") is True,
        )

    @overload
    def reached(self, url: str) -> str: ...
    @overload
    def reached(self, url: None) -> None: ...
    def reached(self, url: str | None) -> str | None:
        """An endpoint of the issuer at its internal address."""
        if url is None:
            return None
        issuer = self._issuer.rstrip("/") + "/"
        return self._internal.rstrip("/") + "/" + url.removeprefix(issuer) if url.startswith(issuer) else url

    def keys(self, endpoints: Endpoints) -> KeySet:
        """Read the keys (RFC 7517). Raises as `endpoints`."""
        keys = KeySet(self._document(endpoints.jwks))
        if not keys:
            raise KeycloakFault("its JWKS holds no usable signature key")
        return keys

    def _document(self, url: str) -> Mapping[str, Any]:
        """The JSON object at `url`. Raises KeycloakFault if there is none, RequestException without a response."""
        status, text = self._session.document(url, KEYCLOAK_TIMEOUTS, DOCUMENT_BYTES)
        if status != 200:
            raise KeycloakFault(f"status {status}{self._cause(status, url)}")
        if len(text) > DOCUMENT_BYTES:
            raise KeycloakFault("its document is too long")
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            raise KeycloakFault("what it sent is no JSON") from None
        if not isinstance(document, dict):
            raise KeycloakFault("what it sent is no JSON object")
        return document

    def _cause(self, status: int, url: str) -> str:
        """Keycloak answers 404 for a realm that it does not have."""
        if status != 404 or url != self.discovery_url:
            return ""
        return f", there is no realm {self._internal.rstrip('/').rpartition('/')[2]!r}"


def _endpoint(document: Mapping[str, Any], name: str) -> str | None:
    url = document.get(name)
    return url if isinstance(url, str) and url.startswith(("http://", "https://")) else None
