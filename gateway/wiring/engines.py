"""The engines of one worker, part by part, and how a view reaches them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from time import monotonic

from flask import current_app
from gevent.event import Event as Signal

from gateway import probes
from gateway.config import Problem, Settings
from gateway.descriptions import Descriptions
from gateway.limits import RateLimiter
from gateway.probes import Probes, Unready
from gateway.scope import Networks, TrustedProxies
from gateway.store import Store
from gateway.wiring import events, lifecycle
from gateway.wiring.lifecycle import Part, Stage
from gateway.wiring.limits import rate_limiter
from gateway.wiring.observability import Observability, observability
from gateway.wiring.outbound import outbound
from gateway.wiring.services import Services, service_probes, services
from gateway.wiring.sign_in import SignInParts, sign_in, store

log = logging.getLogger("gateway")


@dataclass(frozen=True, slots=True)
class Engines:
    """Everything that views and hooks use, built once per worker. `began` is a monotonic time."""

    settings: Settings
    warnings: tuple[Problem, ...]
    observability: Observability
    services: Services
    sign_in: SignInParts
    limiter: RateLimiter
    store: Store
    probes: Probes
    descriptions: Descriptions
    trusted_proxies: TrustedProxies
    metrics_readers: Networks
    began: float
    draining: Signal
    parts: tuple[Part, ...]

    def start(self) -> None:
        """Start all parts; in a worker, after gevent's patch and the fork."""
        for problem in self.warnings:
            log.warning("Settings: %s", problem)
        lifecycle.start(self.parts)

    @property
    def unready(self) -> Unready | None:
        """Why no requests should be sent here; None where they should."""
        if self.draining.is_set():
            return Unready.STOPPING
        return None if self.sign_in.keycloak.ready else Unready.KEYCLOAK_KEYS_UNREAD

    def drain(self) -> None:
        """Accept no new requests; those in flight are finished."""
        self.draining.set()

    def close(self, deadline: float) -> None:
        """Close all parts by `deadline`, a monotonic time."""
        lifecycle.close(self.parts, deadline)


def build_engines(settings: Settings, warnings: tuple[Problem, ...] = ()) -> Engines:
    """All engines, each with its part of the settings and the engines that it uses. Starts nothing and calls
    nobody."""
    seen = observability(settings)
    out = outbound(settings, seen.tracing.tracer)
    kept = store(settings, out, seen.instruments)
    publisher = events.publisher(settings, seen.instruments.events)
    signs_in = sign_in(settings, out, kept, publisher, seen.instruments)
    behind = services(settings, out, seen.instruments, signs_in.revocations.includes)
    described = Descriptions(out.session, settings.openapi_urls)
    others = {
        "keycloak": probes.issuer(out.session, signs_in.keycloak.discovery_url, settings.issuer),
        **({"kafka": publisher.healthy} if settings.kafka_brokers else {}),
    }
    return Engines(
        settings=settings,
        warnings=warnings,
        observability=seen,
        services=behind,
        sign_in=signs_in,
        limiter=rate_limiter(settings, kept, seen.instruments),
        store=kept,
        probes=service_probes(settings, out, others),
        descriptions=described,
        trusted_proxies=TrustedProxies(settings.trusted_proxies),
        metrics_readers=Networks(settings.metrics_allowed_networks),
        began=monotonic(),
        draining=Signal(),
        parts=(
            *seen.parts,
            (Stage.EXPORTERS, publisher),
            *out.parts,
            (Stage.STORE, kept),
            *behind.parts,
            (Stage.WATCHERS, described),
            *signs_in.parts,
        ),
    )


def engines() -> Engines:
    """The engines of the app that serves this request."""
    found: Engines = current_app._get_current_object().extensions["gateway"]  # type: ignore[attr-defined]
    return found
