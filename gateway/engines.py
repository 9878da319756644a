"""The engines of one worker: started and closed together, reached by `engines()`. `gateway.build` makes them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import gevent
from flask import current_app
from gevent.event import Event as Signal

from gateway.config import Problem, Settings
from gateway.events import Announces
from gateway.exposition import Exposition
from gateway.identity import Identity
from gateway.instruments import Instruments
from gateway.limits import RateLimits
from gateway.logs import LogWriter
from gateway.oidc import Grants, Keycloak
from gateway.probes import Probes
from gateway.proxy import ServiceProxy
from gateway.scope import Networks, TrustedProxies
from gateway.sessions import Cookies, Redirects, Refresher, SessionCookies, SessionRevocations, SignIn
from gateway.store import Store
from gateway.tokens import IdTokens, LogoutTokens, Verifier
from gateway.traces import Tracing

log = logging.getLogger("gateway")


class Lifecycle(Protocol):
    """What owns a greenlet, a pool or a client."""

    def start(self) -> None: ...

    def close(self, deadline: float) -> None:
        """End it by `deadline`, a monotonic time."""


@dataclass(frozen=True)
class Engines:
    """Everything a view or a hook uses, built once per worker.

    `living` is what is started, in this order, and closed in reverse; what stands together is closed at once, so that
    no peer that hangs takes another's time.
    """

    settings: Settings
    warnings: tuple[Problem, ...]
    lines: LogWriter
    instruments: Instruments
    exposition: Exposition
    tracing: Tracing
    keycloak: Keycloak
    verifier: Verifier
    store: Store
    grants: Grants
    id_tokens: IdTokens
    logout_tokens: LogoutTokens
    redirects: Redirects
    cookies: Cookies
    sessions: SessionCookies
    revocations: SessionRevocations
    sign_in: SignIn
    refresher: Refresher
    identity: Identity
    limits: RateLimits
    users: ServiceProxy
    interviews: ServiceProxy
    media: ServiceProxy | None
    announcer: Announces
    probes: Probes
    trusted_proxies: TrustedProxies
    metrics_readers: Networks
    began: float
    draining: Signal
    living: tuple[tuple[Lifecycle, ...], ...]

    def start(self) -> None:
        """Start what lives; in a worker, after gevent's patch and the fork."""
        for problem in self.warnings:
            log.warning("Settings: %s", problem)
        for part in chain.from_iterable(self.living):
            part.start()

    @property
    def ready(self) -> bool:
        """Whether requests should be sent here: Keycloak's keys were read once, and this is not about to stop."""
        return self.keycloak.ready and not self.draining.is_set()

    def drain(self) -> None:
        """No new requests are wanted; those under way are served."""
        self.draining.set()

    def close(self, deadline: float) -> None:
        """End all of it by `deadline`, a monotonic time."""
        for parts in reversed(self.living):
            gevent.joinall([gevent.spawn(_close, part, deadline) for part in parts])


def _close(part: Lifecycle, deadline: float) -> None:
    try:
        part.close(deadline)
    except Exception:
        log.exception("%s could not be closed", type(part).__name__)


def engines() -> Engines:
    """The engines of the app that serves this request."""
    found: Engines = current_app.extensions["gateway"]
    return found
