"""Keycloak's discovery document and keys, read in the background and kept during outages."""

from __future__ import annotations

import logging
from time import monotonic

import gevent
from gevent.event import Event as Signal
from gevent.lock import RLock
from requests import RequestException

from gateway import errors
from gateway.keys import NO_KEYS, KeySet
from gateway.oidc.documents import KEYCLOAK_TIMEOUTS, Endpoints, IssuerDocuments, KeycloakFault
from gateway.oidc.repeats import Repeats
from gateway.transport import SealedSession, loggable

log = logging.getLogger("gateway.oidc")

REFRESH_SECONDS = 300.0
UNKNOWN_KID_SECONDS = 10.0
FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 5.0


class Keycloak:
    """The issuer's keys: read at start, every REFRESH_SECONDS, and for an unknown key id at most once in
    UNKNOWN_KID_SECONDS. A response without a usable key changes nothing; a key missing from a valid one is dropped."""

    def __init__(self, issuer: str, internal_url: str | None, session: SealedSession) -> None:
        """`issuer` is compared exactly; `internal_url` is the address for calls (default: the issuer)."""
        self._documents = IssuerDocuments(issuer, internal_url or issuer, session)
        self.keys = NO_KEYS
        """The keys as last read; a new object after a change."""
        self._endpoints: Endpoints | None = None
        self._faults = Repeats()
        self._failing = False
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
        return self._documents.discovery_url

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
        return len(self.keys) > 0

    def keys_for(self, kid: str | None, *, at_once: bool = False) -> KeySet:
        """The keys. They are read again first if none has this id and the last read is old enough, or with `at_once`,
        for a token that Keycloak itself has just issued.

        Raises ServiceUnavailable if they cannot be read `at_once`, or were never read.
        """
        known = self.keys.knows(kid) if kid is not None else self.ready
        if not known and self.ready:
            with self._reading:  # a greenlet that waited here finds the result of the one before
                due = at_once or monotonic() - self._last_read >= UNKNOWN_KID_SECONDS
                if due and not self._try_reading() and at_once:
                    raise errors.ServiceUnavailable(2, errors.ErrorCode.KEYCLOAK_UNAVAILABLE)
        if not self.ready:
            self._tried.wait(KEYCLOAK_TIMEOUTS.total)  # a worker that has just started is about to read them
        if not self.ready:
            raise errors.ServiceUnavailable(2, errors.ErrorCode.KEYCLOAK_UNAVAILABLE)
        return self.keys

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
            self._endpoints = self._documents.endpoints()
            keys = self._documents.keys(self._endpoints)
        except (KeycloakFault, RequestException) as error:
            said = str(error) if isinstance(error, KeycloakFault) else f"no answer ({loggable(error)})"
            self._failing = True
            if self._faults.due(said):
                log.error("Keycloak: keys not read from %s: %s", self._documents.place, said)
            return False
        changed = not keys.same_as(self.keys)
        if changed or self._failing:
            log.info("Keycloak: %d keys read", len(keys))
        if changed:
            self.keys = keys
        self._failing = False
        return True
