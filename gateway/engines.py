"""The engines of one worker: built from the settings, started and closed together, reached by `engines()`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from time import monotonic
from typing import Protocol

import gevent
from flask import current_app
from gevent.event import Event

from gateway import logs, probes
from gateway.config import Problem, Settings
from gateway.events import Announces, Publisher, announcer_of, publisher_of
from gateway.exposition import Exposition
from gateway.identity import Identity
from gateway.instruments import Instruments
from gateway.limits import RateLimits, RuleBook
from gateway.limits.windows import Windows
from gateway.logs import Lines
from gateway.loki import LOGGER, Loki
from gateway.oidc import Grants, Keycloak
from gateway.probes import Probes
from gateway.proxy import Departures, Limits, ServiceProxy, Upstream
from gateway.scope import Networks, TrustedProxies
from gateway.sessions import Cookies, Ended, Redirects, Refresher, Seal, Sessions, SignIn, derive
from gateway.store import Store
from gateway.tokens import IdTokens, LogoutTokens, Rules, Signatures, Verifier
from gateway.traces import Tracing, span_pipeline, tracing_to
from gateway.transport import Adapter, Session, Timeouts, tls_context

log = logging.getLogger("gateway")


class Living(Protocol):
    """What owns a greenlet, a pool or a client."""

    def start(self) -> None: ...

    def close(self, deadline: float) -> None:
        """End it by `deadline`, a monotonic time."""


@dataclass(frozen=True)
class Engines:
    """Everything a view or a hook uses, built once per worker."""

    settings: Settings
    warnings: tuple[Problem, ...]
    lines: Lines
    instruments: Instruments
    exposition: Exposition
    tracing: Tracing
    outgoing: Adapter
    shipping: tuple[Living, ...]
    adapter: Adapter
    departures: Departures
    keycloak: Keycloak
    verifier: Verifier
    store: Store
    grants: Grants
    id_tokens: IdTokens
    logout_tokens: LogoutTokens
    redirects: Redirects
    cookies: Cookies
    sessions: Sessions
    ended: Ended
    sign_in: SignIn
    refresher: Refresher
    identity: Identity
    limits: RateLimits
    users: ServiceProxy
    interviews: ServiceProxy
    media: ServiceProxy | None
    publisher: Publisher
    announcer: Announces
    probes: Probes
    trusted_proxies: TrustedProxies
    metrics_readers: Networks
    began: float
    draining: Event

    @property
    def living(self) -> tuple[tuple[Living, ...], ...]:
        """What is started, in this order, and closed in reverse; what stands together is closed at once, so that no
        peer that hangs takes another's time."""
        return (
            (self.lines,),
            (self.outgoing,),
            (*self.shipping, self.publisher),
            (self.adapter,),
            (self.store,),
            (self.departures, self.keycloak),
        )

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


def _close(part: Living, deadline: float) -> None:
    try:
        part.close(deadline)
    except Exception:
        log.exception("%s could not be closed", type(part).__name__)


def engines() -> Engines:
    """The engines of the app that serves this request."""
    found: Engines = current_app.extensions["gateway"]
    return found


def build_engines(settings: Settings, warnings: tuple[Problem, ...] = ()) -> Engines:
    """The engines, each with its slice of the settings."""
    instruments = Instruments()
    timeouts = Timeouts(settings.connect_timeout, settings.read_timeout, settings.total_timeout)
    tls = tls_context(settings.ca_bundle)
    lines = logs.configure(settings.log_level)
    outgoing = Adapter(tls, timeouts)  # what tells of requests is no part of them: it has no spans
    to_peers = Session(outgoing)
    spans = span_pipeline(settings.jaeger_endpoint, settings.otel, to_peers, instruments.spans_dropped)
    loki = None
    if settings.loki_host is not None:
        loki = Loki(settings.loki_host, settings.loki_tenant, to_peers, instruments.lines_dropped)
        lines.also(loki.put, but=LOGGER)
    tracing = tracing_to(spans, settings.otel, production=settings.production)
    tracer = tracing.tracer
    adapter = Adapter(tls, timeouts, tracer)
    session = Session(adapter)
    departures = Departures()
    keycloak = Keycloak(settings.issuer, settings.internal_url, session)
    secret = settings.jwt_secret
    signatures = Signatures(
        settings.jwt_algorithms, keycloak, secret.get_secret_value().encode() if secret is not None else None
    )
    # Only the issuer says who signed in and out: a shared secret does not.
    public = Signatures(tuple(name for name in settings.jwt_algorithms if name != "HS256") or ("RS256",), keycloak)
    rules = Rules(
        settings.issuer, settings.audience, settings.jwt_leeway, settings.jwt_allowed_clients, settings.client_id
    )
    verifier = Verifier(rules, signatures)
    id_tokens = IdTokens(public, settings.issuer, settings.client_id, settings.jwt_leeway)
    secrets = settings.sealing_secrets
    store = Store(
        derive(secrets[0], "store"),
        f"{settings.issuer} {settings.client_id}",
        settings.redis_url.get_secret_value() if settings.redis_url else None,
        tracer=tracer,
        redis_away=instruments.redis_away,
    )
    grants = Grants(keycloak, adapter, settings.client_id, settings.client_secret.get_secret_value(), settings.scopes)
    cookies = Cookies(settings.public_url, secure=settings.secure_cookies)
    sessions = Sessions(cookies, secrets)
    ended = Ended(store)
    limits = Limits(timeouts, settings.max_in_flight, settings.max_body, settings.body_timeout)
    uploads = Limits(timeouts, settings.max_in_flight, settings.max_upload, settings.body_timeout, total_to_head=True)

    def proxy(
        name: str,
        base_urls: tuple[str, ...],
        limits: Limits,
        defaults: Mapping[str, str] = {},
    ) -> ServiceProxy:
        upstream = Upstream(name, base_urls, limits, instruments.service(name))
        return ServiceProxy(upstream, adapter, departures, defaults, tracer)

    # Uploads are other people's files: they must not run in the gateway's origin.
    harmless = {"x-content-type-options": "nosniff", "content-security-policy": "sandbox"}
    media = settings.media_service
    publisher = publisher_of(settings, instruments.events)
    book = RuleBook(
        {
            "default": settings.rate_limit_default,
            "media": settings.rate_limit_media,
            "auth": settings.rate_limit_auth,
        }
    )
    looks = {
        "userService": probes.service(session, settings.user_service),
        "interviewService": probes.service(session, settings.interview_service),
        **({"mediaService": probes.service(session, media)} if media else {}),
        "keycloak": probes.issuer(session, keycloak.discovery_url, settings.issuer),
        **({"kafka": publisher.healthy} if settings.kafka_brokers else {}),
    }
    return Engines(
        settings=settings,
        warnings=warnings,
        instruments=instruments,
        exposition=Exposition(instruments.registry),
        tracing=tracing,
        lines=lines,
        outgoing=outgoing,
        shipping=tuple(part for part in (loki, spans) if part is not None),
        adapter=adapter,
        departures=departures,
        keycloak=keycloak,
        verifier=verifier,
        store=store,
        grants=grants,
        id_tokens=id_tokens,
        logout_tokens=LogoutTokens(public, settings.issuer, settings.client_id, settings.jwt_leeway),
        redirects=Redirects(settings.redirect_uri, settings.allowed_redirect_uris, settings.frontend),
        cookies=cookies,
        sessions=sessions,
        ended=ended,
        sign_in=SignIn(grants, id_tokens, Seal(secrets, "login cookie"), store, settings.issuer),
        refresher=Refresher(grants, store, Seal(secrets, "refresh outcome")),
        identity=Identity(verifier, sessions, ended, settings.frontend, instruments.tokens),
        limits=RateLimits(book, Windows(store), instruments.limited),
        users=proxy("user-service", settings.user_service, limits),
        interviews=proxy("interview-service", settings.interview_service, limits),
        media=proxy("media-service", media, uploads, harmless) if media else None,
        publisher=publisher,
        announcer=announcer_of(settings, publisher, store),
        probes=Probes(looks),
        trusted_proxies=TrustedProxies(settings.trusted_proxies),
        metrics_readers=Networks(settings.metrics_allowed_networks),
        began=monotonic(),
        draining=Event(),
    )
