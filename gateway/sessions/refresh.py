"""Refreshing exactly once: all requests with one refresh token, on any worker, get the newest result.

Keycloak rotates refresh tokens and ends the session if one is used twice, so only one of several parallel refreshes may
reach it. The others wait for its outcome in the store, which the workers of a machine share, and with Redis all
machines. An outcome is stored under the old refresh token and contains the new one: the outcomes of a session form a
chain, and a request with an older token of the chain gets the outcome at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from time import monotonic, time
from typing import Any, Protocol

import gevent
from gevent.event import AsyncResult

from gateway import errors
from gateway.oidc import Grants, SessionOver, TokenAnswer, digest_of
from gateway.oidc.documents import KEYCLOAK_TIMEOUTS
from gateway.sessions.checks import RefreshChecks
from gateway.sessions.sealing import Seal

SUPERSEDED_SECONDS = 10.0
"""How long a superseded refresh token gets the newest result."""

JUST_BROUGHT_SECONDS = 1.0
"""How long a new refresh token gets the result in which it was issued, without a call to Keycloak: its sender has
waited for that refresh without knowing (a page whose parallel calls were all refused)."""

FAILED_SECONDS = 1.0
"""How long a failure is shared by the requests that waited for it; later ones try again."""

UNCHECKED_SECONDS = 86_400.0
"""How long new tokens are kept that cannot be used now, at most for their lifetime."""

LEASE_SECONDS = float(KEYCLOAK_TIMEOUTS.total or KEYCLOAK_TIMEOUTS.read) + KEYCLOAK_TIMEOUTS.connect + 1.0
POLL_SECONDS = 0.05
CHAIN = 50

_OUTCOMES: dict[int, Callable[[errors.ErrorCode], errors.GatewayError]] = {
    502: errors.BadGateway,
    503: lambda code: errors.ServiceUnavailable(2, code),
    504: errors.GatewayTimeout,
}

Outcome = dict[str, Any]
"""JSON: `status` 200 with `tokens` and `subject` (of the ID token); 401: the session has ended; 429 with `retry`;
otherwise a failure with its `code`, and with `tokens` if there are new ones that could not be used `at` that time."""


class RefreshStore(Protocol):
    """Stores outcomes and leases."""

    def get(self, key: str) -> bytes | None: ...

    def put(self, key: str, value: bytes, life: float) -> None: ...

    def lease(self, key: str, life: float) -> str | None: ...

    def release(self, key: str, token: str) -> None: ...


@dataclass(frozen=True, slots=True)
class RefreshedTokens:
    """`subject` is that of the ID token, if there is one; `claims` are its claims for the one call that `asked`
    Keycloak for the tokens, and empty for all others."""

    tokens: TokenAnswer
    subject: str | None
    asked: bool
    claims: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _ChainEnd:
    """`last` is the token to send to Keycloak, `outcome` the one that contained it, None if Keycloak must be called;
    `final`: no other refresh can be superseding it."""

    last: str
    outcome: Outcome | None
    final: bool


class Refresher:
    """Requests new tokens from Keycloak, once for each refresh token."""

    def __init__(self, grants: Grants, checks: RefreshChecks, store: RefreshStore, seal: Seal) -> None:
        self._grants = grants
        self._checks = checks
        self._store = store
        self._seal = seal
        self._under_way: dict[str, AsyncResult[Outcome]] = {}

    def refresh(self, refresh_token: str, admit: Callable[[], None]) -> RefreshedTokens:
        """The newest result for `refresh_token`. `admit` counts the call, or raises TooManyRequests; a request that
        joins a successful refresh is not counted.

        1. Other requests for the same token in this worker wait for this one.
        2. An outcome in the store is used, the last one of its chain; it is kept for SUPERSEDED_SECONDS.
        3. The holder of the lease calls Keycloak, and stores the outcome; the others wait for it, or for the lease of a
           holder that died, at most LEASE_SECONDS.

        Raises SessionOver, also for an ID token of another session, or the error of Keycloak (see Grants). If the new
        tokens cannot be used now (see RefreshChecks), that is a failure, and the next attempt uses the new refresh
        token.
        """
        key = digest_of(refresh_token)
        waiting = self._under_way.get(key)
        if waiting is not None:  # 1
            try:
                shared: Outcome = waiting.get(timeout=LEASE_SECONDS + 1.0) or {"status": 502}
            except gevent.Timeout:
                raise errors.GatewayTimeout(errors.ErrorCode.KEYCLOAK_TIMEOUT) from None
            if shared["status"] not in (200, 429):
                admit()
            return _result(shared)
        mine: AsyncResult[Outcome] = AsyncResult()
        self._under_way[key] = mine
        try:
            outcome, claims = self._outcome(refresh_token, admit)
            mine.set(outcome)
        except errors.TooManyRequests as refusal:
            mine.set({"status": 429, "retry": int(refusal.headers["Retry-After"])})
            raise
        except BaseException:
            mine.set({"status": 502})
            raise
        finally:
            del self._under_way[key]
        return _result(outcome, claims)

    def newest(self, refresh_token: str) -> str:
        """The newest successor of this refresh token, through any number of rotations; itself if it has none."""
        return self._follow(refresh_token).last

    def _outcome(self, refresh_token: str, admit: Callable[[], None]) -> tuple[Outcome, Mapping[str, Any] | None]:
        """The outcome, and the claims of the ID token if this call requested it."""
        due = monotonic() + LEASE_SECONDS
        while True:
            found = self._follow(refresh_token)
            if found.outcome is not None and found.final:  # 2
                if found.outcome["status"] != 200:
                    admit()
                return found.outcome, None
            lease = self._store.lease(f"refreshing:{digest_of(found.last)}", LEASE_SECONDS)
            if lease is not None:  # 3
                try:
                    # The previous holder may have finished between the lookup and the lease.
                    if self._follow(refresh_token) != found:
                        continue
                    if found.outcome is not None:  # and no other refresh is superseding it
                        return found.outcome, None
                    admit()
                    return self._ask(refresh_token, found.last)
                finally:
                    self._store.release(f"refreshing:{digest_of(found.last)}", lease)
            if monotonic() >= due:
                return {"status": 504, "code": errors.ErrorCode.KEYCLOAK_TIMEOUT}, None
            gevent.sleep(POLL_SECONDS)

    def _follow(self, refresh_token: str) -> _ChainEnd:
        """The end of the chain that starts with this token."""
        last, outcome = refresh_token, None
        for _ in range(CHAIN):
            stored = self._stored(f"refreshed:{digest_of(last)}")
            if stored is None:
                break
            successor = _brought(stored)
            if successor in (None, last):  # it failed, or the token was not rotated
                return _ChainEnd(last, stored, final=True)
            outcome, last = stored, str(successor)
        if outcome is None:
            brought = self._stored(f"brought:{digest_of(last)}")
            return _ChainEnd(last, brought, final=brought is not None)
        if outcome["status"] == 200:
            return _ChainEnd(last, outcome, final=False)
        is_shared = abs(time() - outcome["at"]) < FAILED_SECONDS  # it may have been the clock, and was set back
        return _ChainEnd(last, outcome if is_shared else None, final=is_shared)

    def _ask(self, refresh_token: str, last: str) -> tuple[Outcome, Mapping[str, Any] | None]:
        """Call Keycloak with the last token of the chain that starts with `refresh_token`."""
        claims: Mapping[str, Any] | None = None
        try:
            tokens = self._grants.refresh(last)
        except SessionOver:
            outcome: Outcome = {"status": 401}
        except errors.GatewayError as failure:
            outcome = {"status": failure.status, "code": failure.code}
        else:
            outcome, claims = self._checked(tokens, last)
        # A failure must not hide where the chain of an older token leads: to the only one that is good for a next try.
        for token in dict.fromkeys((last, refresh_token)) if "tokens" in outcome else (last,):
            self._keep(f"refreshed:{digest_of(token)}", outcome, _life(outcome))
        brought = _brought(outcome)
        if outcome["status"] == 200 and brought is not None and brought != last:
            self._keep(f"brought:{digest_of(brought)}", outcome, JUST_BROUGHT_SECONDS)
        return outcome, claims

    def _checked(self, tokens: TokenAnswer, last: str) -> tuple[Outcome, Mapping[str, Any] | None]:
        """The outcome for a successful response of Keycloak to `last`, and the claims of its ID token."""
        try:
            claims = self._checks.claims(tokens)
        except SessionOver:
            return {"status": 401}, None
        except errors.GatewayError as failure:
            # With rotation the next attempt needs the new token; without, the one that was sent is still good.
            rotated = tokens.refresh_token not in (None, last)
            kept = {"tokens": asdict(tokens), "at": time()} if rotated else {}
            return {"status": failure.status, "code": failure.code, **kept}, None
        return {"status": 200, "tokens": asdict(tokens), "subject": claims.get("sub")}, claims

    def _keep(self, key: str, outcome: Outcome, life: float) -> None:
        self._store.put(key, self._seal.seal(outcome).encode(), life)

    def _stored(self, key: str) -> Outcome | None:
        value = self._store.get(key)
        return None if value is None else self._seal.open(value.decode())


def _life(outcome: Outcome) -> float:
    """How long an outcome is kept, in seconds."""
    if outcome["status"] in (200, 401):
        return SUPERSEDED_SECONDS
    if "tokens" in outcome:
        return min(UNCHECKED_SECONDS, float(outcome["tokens"]["refresh_expires_in"]))
    return FAILED_SECONDS


def _brought(outcome: Outcome) -> str | None:
    """The refresh token of the outcome, None if there is none."""
    tokens: Mapping[str, str | None] = outcome.get("tokens") or {}
    return tokens.get("refresh_token")


def _result(outcome: Outcome, claims: Mapping[str, Any] | None = None) -> RefreshedTokens:
    status = outcome["status"]
    if status == 200:
        return RefreshedTokens(TokenAnswer(**outcome["tokens"]), outcome["subject"], claims is not None, claims or {})
    if status == 401:
        raise SessionOver
    if status == 429:
        raise errors.TooManyRequests(outcome["retry"])
    code = errors.ErrorCode(outcome.get("code", errors.ErrorCode.KEYCLOAK_ERROR))
    raise _OUTCOMES.get(status, errors.BadGateway)(code)
