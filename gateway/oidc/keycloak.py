"""Keycloak's discovery document and keys, read in the background and kept during outages."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, overload

import gevent
from gevent.event import Event as Signal
from gevent.lock import RLock
from requests import RequestException

from gateway import errors
from gateway.keys import NO_KEYS, KeySet
from gateway.transport import SealedSession, Timeouts, loggable

log = logging.getLogger("gateway.oidc")

REFRESH_SECONDS = 300.0
UNKNOWN_KID_SECONDS = 10.0
DOCUMENT_BYTES = 1 << 20
FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 5.0
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


class Keycloak:
    """The issuer's keys: read at start, every REFRESH_SECONDS, and for an unknown key id at most once in
    UNKNOWN_KID_SECONDS. A response without a usable key changes nothing; a key missing from a valid one is dropped."""

    def __init__(self, issuer: str, internal_url: str | None, session: SealedSession) -> None:
        """`issuer` is compared exactly; `internal_url` is the address for calls (default: the issuer)."""
        self._issuer = issuer
        self._internal = internal_url or issuer
        self._session = session
        self._keys = NO_KEYS
        self._endpoints: Endpoints | None = None
        self._last_read = -UNKNOWN_KID_SECONDS
        self._reading = RLock()
        self._tried = Signal()
        self._reader: gevent.Greenlet[[], None] | None = None

    def start(self) -> None:
        """Start reading the keys, now and periodically."""
        self._reader = gevent.spawn(self._keep_reading)

    def close(self, deadline: float) -> None:
        if self._reader is not None:
            self._reader.kill()

    @property
    def discovery_url(self) -> str:
        """The URL of the discovery document."""
        return self._internal.rstrip("/") + "/.well-known/openid-configuration"

    @property
    def endpoints(self) -> Endpoints:
        """The endpoints as last read. Raises ServiceUnavailable if they were never read."""
        if self._endpoints is None:
            self._tried.wait(KEYCLOAK_TIMEOUTS.total)
        if self._endpoints is None:
            raise errors.ServiceUnavailable(2, errors.ErrorCode.KEYCLOAK_UNAVAILABLE)
        return self._endpoints

    @property
    def known_endpoints(self) -> Endpoints | None:
        """The endpoints as last read, None if they were never read; does not wait."""
        return self._endpoints

    @property
    def ready(self) -> bool:
        """Whether the keys were ever read."""
        return len(self._keys) > 0

    @property
    def keys(self) -> KeySet:
        """The keys as last read; a new object after a change."""
        return self._keys

    def keys_for(self, kid: str | None, *, at_once: bool = False) -> KeySet:
        """The keys. They are read again first if none has this id and the last read is old enough, or with `at_once`,
        for a token that Keycloak itself has just issued.

        Raises ServiceUnavailable if they cannot be read `at_once`, or were never read.
        """
        known = self._keys.knows(kid) if kid is not None else self.ready
        if not known and self.ready:
            with self._reading:  # a greenlet that waited here finds the result of the one before
                due = at_once or monotonic() - self._last_read >= UNKNOWN_KID_SECONDS
                if due and not self._try_reading() and at_once:
                    raise errors.ServiceUnavailable(2, errors.ErrorCode.KEYCLOAK_UNAVAILABLE)
        if not self.ready:
            self._tried.wait(KEYCLOAK_TIMEOUTS.total)  # a worker that has just started is about to read them
        if not self.ready:
            raise errors.ServiceUnavailable(2, errors.ErrorCode.KEYCLOAK_UNAVAILABLE)
        return self._keys

    def _keep_reading(self) -> None:
        retry = FIRST_RETRY_SECONDS
        while True:
            try:
                with self._reading:
                    good = self._try_reading()
            except Exception:
                log.exception("Keycloak: keys not read")  # a bug; continue to read
                good = False
            self._tried.set()
            if good:
                retry = FIRST_RETRY_SECONDS
                gevent.sleep(REFRESH_SECONDS)
            else:
                gevent.sleep(REFRESH_SECONDS / 10 if self.ready else retry)
                retry = min(retry * 2, LAST_RETRY_SECONDS)

    def _try_reading(self) -> bool:
        self._last_read = monotonic()
        try:
            self._endpoints = self._discover()
            keys = self._read_keys(self._endpoints)
        except (KeycloakFault, RequestException) as error:
            said = str(error) if isinstance(error, KeycloakFault) else f"no answer ({loggable(error)})"
            setting = "KEYCLOAK_ISSUER_URL" if self._internal == self._issuer else "KEYCLOAK_INTERNAL_URL"
            log.error("Keycloak: keys not read from %s (%s): %s", self._internal, setting, said)
            return False
        if not keys.same_as(self._keys):
            log.info("Keycloak: %d keys read", len(keys))
            self._keys = keys
        return True

    def _discover(self) -> Endpoints:
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
            jwks=self._reached(jwks),
            authorization=_endpoint(document, "authorization_endpoint"),
            token=self._reached(_endpoint(document, "token_endpoint")),
            revocation=self._reached(_endpoint(document, "revocation_endpoint")),
            end_session=_endpoint(document, "end_session_endpoint"),
            end_session_internal=self._reached(_endpoint(document, "end_session_endpoint")),
            iss_parameter_supported=document.get("authorization_response_iss_parameter_supported") is True,
        )

    @overload
    def _reached(self, url: str) -> str: ...
    @overload
    def _reached(self, url: None) -> None: ...
    def _reached(self, url: str | None) -> str | None:
        """An endpoint of the issuer at its internal address."""
        if url is None:
            return None
        issuer = self._issuer.rstrip("/") + "/"
        return self._internal.rstrip("/") + "/" + url.removeprefix(issuer) if url.startswith(issuer) else url

    def _read_keys(self, endpoints: Endpoints) -> KeySet:
        keys = KeySet(self._document(endpoints.jwks))
        if not keys:
            raise KeycloakFault("its JWKS holds no usable signature key")
        return keys

    def _document(self, url: str) -> Mapping[str, Any]:
        """The JSON object at `url`. Raises KeycloakFault if there is none, RequestException without a response."""
        accept = {"Accept": "application/json"}
        with self._session.get(url, headers=accept, timeout=KEYCLOAK_TIMEOUTS, stream=True) as response:  # type: ignore[arg-type]
            if response.status_code != 200:
                raise KeycloakFault(f"status {response.status_code}")
            text = response.raw.read(DOCUMENT_BYTES + 1)
        if len(text) > DOCUMENT_BYTES:
            raise KeycloakFault("its document is too long")
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            raise KeycloakFault("what it sent is no JSON") from None
        if not isinstance(document, dict):
            raise KeycloakFault("what it sent is no JSON object")
        return document


def _endpoint(document: Mapping[str, Any], name: str) -> str | None:
    url = document.get(name)
    return url if isinstance(url, str) and url.startswith(("http://", "https://")) else None
