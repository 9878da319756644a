"""How the engines are made: each with its slice of the settings and what it uses of the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from time import monotonic

from gevent.event import Event as Signal

from gateway import logs, probes
from gateway.config import Problem, Settings
from gateway.engines import Engines
from gateway.events import announcer_of, publisher_of
from gateway.exposition import Exposition
from gateway.identity import Identity
from gateway.instruments import Instruments
from gateway.limits import RateLimits, RuleBook, Windows
from gateway.loki import LOGGER, Loki
from gateway.oidc import Grants, Keycloak
from gateway.probes import Probes
from gateway.proxy import CallBounds, DisconnectMonitor, ServiceProxy, Upstream
from gateway.scope import Networks, TrustedProxies
from gateway.sessions import Cookies, Redirects, Refresher, Seal, SessionCookies, SessionRevocations, SignIn, derive
from gateway.store import Store
from gateway.tokens import AccessTokenPolicy, IdTokens, LogoutTokens, Signatures, Verifier
from gateway.traces import span_pipeline, tracing_to
from gateway.transport import Adapter, SealedSession, Timeouts, tls_context


def build_engines(settings: Settings, warnings: tuple[Problem, ...] = ()) -> Engines:
    """All of them. Nothing is started, and nobody is called."""
    instruments = Instruments()
    exposition = Exposition(instruments.registry)
    timeouts = Timeouts(settings.connect_timeout, settings.read_timeout, settings.total_timeout)
    tls = tls_context(settings.ca_bundle)
    lines = logs.configure(settings.log_level)
    outgoing = Adapter(tls, timeouts)  # what tells of requests is no part of them: it has no spans
    to_peers = SealedSession(outgoing)
    spans = span_pipeline(settings.jaeger_endpoint, settings.otel, to_peers, instruments.spans_dropped)
    loki = None
    if settings.loki_host is not None:
        loki = Loki(settings.loki_host, settings.loki_tenant, to_peers, instruments.lines_dropped)
        lines.also(loki.put, but=LOGGER)
    tracing = tracing_to(spans, settings.otel, production=settings.production)
    tracer = tracing.tracer
    adapter = Adapter(tls, timeouts, tracer)
    session = SealedSession(adapter)
    disconnects = DisconnectMonitor()
    keycloak = Keycloak(settings.issuer, settings.internal_url, session)
    secret = settings.jwt_secret
    signatures = Signatures(
        settings.jwt_algorithms, keycloak, secret.get_secret_value().encode() if secret is not None else None
    )
    # Only the issuer says who signed in and out: a shared secret does not.
    public = Signatures(tuple(name for name in settings.jwt_algorithms if name != "HS256") or ("RS256",), keycloak)
    rules = AccessTokenPolicy(
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
    sessions = SessionCookies(cookies, secrets)
    revocations = SessionRevocations(store)
    calls = CallBounds(timeouts, settings.max_in_flight, settings.max_body, settings.body_timeout)
    uploads = replace(calls, body_bytes=settings.max_upload, total_to_head=True)

    def proxy(
        name: str,
        base_urls: tuple[str, ...],
        bounds: CallBounds,
        defaults: Mapping[str, str] = {},
    ) -> ServiceProxy:
        upstream = Upstream(name, base_urls, bounds, instruments.service(name))
        return ServiceProxy(upstream, adapter, disconnects, defaults, tracer)

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
        exposition=exposition,
        tracing=tracing,
        lines=lines,
        keycloak=keycloak,
        verifier=verifier,
        store=store,
        grants=grants,
        id_tokens=id_tokens,
        logout_tokens=LogoutTokens(public, settings.issuer, settings.client_id, settings.jwt_leeway),
        redirects=Redirects(settings.redirect_uri, settings.allowed_redirect_uris, settings.frontend),
        cookies=cookies,
        sessions=sessions,
        revocations=revocations,
        sign_in=SignIn(grants, id_tokens, Seal(secrets, "login cookie"), store, settings.issuer),
        refresher=Refresher(grants, store, Seal(secrets, "refresh outcome")),
        identity=Identity(verifier, sessions, revocations, settings.frontend, instruments.tokens),
        limits=RateLimits(book, Windows(store), instruments.limited),
        users=proxy("user-service", settings.user_service, calls),
        interviews=proxy("interview-service", settings.interview_service, calls),
        media=proxy("media-service", media, uploads, harmless) if media else None,
        announcer=announcer_of(settings, publisher, store),
        probes=Probes(looks),
        trusted_proxies=TrustedProxies(settings.trusted_proxies),
        metrics_readers=Networks(settings.metrics_allowed_networks),
        began=monotonic(),
        draining=Signal(),
        living=(
            (lines, instruments, exposition),
            (outgoing,),
            tuple(part for part in (loki, spans, publisher) if part is not None),
            (adapter,),
            (store,),
            (disconnects, keycloak),
        ),
    )
