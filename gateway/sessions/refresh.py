"""Refreshing exactly once: whoever asks with one refresh token, on whatever worker, gets the one answer.

Keycloak rotates refresh tokens, and one that is used twice kills the session: of parallel
refreshes only one may reach it. The others wait for its outcome in the store, which the workers of a machine share, and
with Redis the machines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from time import monotonic
from typing import Any, Protocol

import gevent
from gevent.event import AsyncResult

from gateway import errors
from gateway.oidc import Grants, SessionOver, TokenAnswer, digest_of
from gateway.oidc.keycloak import CALL
from gateway.sessions.sealing import Seal

SUPERSEDED_SECONDS = 10.0
"""A superseded refresh token gets the answer that superseded it for so long."""

FAILED_SECONDS = 1.0
"""Those who waited for a refresh that failed share its failure; who comes later tries again."""

LEASE_SECONDS = float(CALL.total or CALL.read) + CALL.connect + 1.0
POLL_SECONDS = 0.05

_OUTCOMES: dict[int, Callable[[], errors.GatewayError]] = {
    502: errors.BadGateway,
    503: lambda: errors.ServiceUnavailable(2),
    504: errors.GatewayTimeout,
}


class RefreshStore(Protocol):
    """Where outcomes and leases are kept."""

    def get(self, key: str) -> bytes | None: ...

    def put(self, key: str, value: bytes, life: float) -> None: ...

    def lease(self, key: str, life: float) -> str | None: ...

    def release(self, key: str, token: str) -> None: ...


class Refresher:
    """Asks Keycloak for new tokens, once for each refresh token."""

    def __init__(self, grants: Grants, store: RefreshStore, seal: Seal) -> None:
        self._grants = grants
        self._store = store
        self._seal = seal
        self._under_way: dict[str, AsyncResult[dict[str, Any]]] = {}

    def refresh(self, refresh_token: str, admit: Callable[[], None]) -> tuple[TokenAnswer, bool]:
        """The answer to `refresh_token`, and whether it was asked for just now, by this call. `admit` counts the call,
        or raises TooManyRequests; who joins a refresh that succeeds is not counted.

        1. Whoever in this worker asks for the same waits for it.
        2. An outcome in the store is taken; it is there for SUPERSEDED_SECONDS.
        3. The holder of the lease asks Keycloak, and stores the outcome; the others wait for that, or for the lease of
           a holder that died. Nobody waits longer than LEASE_SECONDS.

        Raises SessionOver, or what the failure at Keycloak is (see Grants).
        """
        key = digest_of(refresh_token)
        waiting = self._under_way.get(key)
        if waiting is not None:  # 1
            try:
                shared = waiting.get(timeout=LEASE_SECONDS + 1.0)
            except gevent.Timeout:
                raise errors.GatewayTimeout() from None
            if (shared or {}).get("status") not in (200, 429):
                admit()
            return _told(shared or {}), False
        mine: AsyncResult[dict[str, Any]] = AsyncResult()
        self._under_way[key] = mine
        try:
            outcome, asked = self._outcome(key, refresh_token, admit)
            mine.set(outcome)
        except errors.TooManyRequests as refusal:
            mine.set({"status": 429, "retry": int(refusal.headers["Retry-After"])})
            raise
        except BaseException:
            mine.set({"status": 502})
            raise
        finally:
            del self._under_way[key]
        return _told(outcome), asked

    def _outcome(self, key: str, refresh_token: str, admit: Callable[[], None]) -> tuple[dict[str, Any], bool]:
        due = monotonic() + LEASE_SECONDS
        while True:
            stored = self._stored(key)
            if stored is not None:  # 2
                if stored["status"] != 200:
                    admit()
                return stored, False
            lease = self._store.lease(f"refreshing:{key}", LEASE_SECONDS)
            if lease is not None:  # 3
                try:
                    # The holder before may have finished between the look and the lease.
                    stored = self._stored(key)
                    if stored is not None:
                        if stored["status"] != 200:
                            admit()
                        return stored, False
                    admit()
                    return self._ask(key, refresh_token), True
                finally:
                    self._store.release(f"refreshing:{key}", lease)
            if monotonic() >= due:
                return {"status": 504}, False
            gevent.sleep(POLL_SECONDS)

    def _ask(self, key: str, refresh_token: str) -> dict[str, Any]:
        try:
            outcome: dict[str, Any] = {"status": 200, "tokens": asdict(self._grants.refresh(refresh_token))}
        except SessionOver:
            outcome = {"status": 401}
        except errors.GatewayError as failure:
            outcome = {"status": failure.status}
        life = SUPERSEDED_SECONDS if outcome["status"] in (200, 401) else FAILED_SECONDS
        self._store.put(f"refreshed:{key}", self._seal.seal(outcome).encode(), life)
        return outcome

    def _stored(self, key: str) -> dict[str, Any] | None:
        value = self._store.get(f"refreshed:{key}")
        return None if value is None else self._seal.open(value.decode())


def _told(outcome: dict[str, Any]) -> TokenAnswer:
    if outcome.get("status") == 200:
        return TokenAnswer(**outcome["tokens"])
    if outcome.get("status") == 401:
        raise SessionOver
    if outcome.get("status") == 429:
        raise errors.TooManyRequests(outcome["retry"])
    raise _OUTCOMES.get(outcome.get("status", 502), errors.BadGateway)()
