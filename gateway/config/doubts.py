"""Settings that are valid but probably wrong, each with its correction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from ipaddress import ip_interface
from types import MappingProxyType
from urllib.parse import urlsplit

from gateway.config.names import NAMES, OLD_NAMES, SECRETS
from gateway.config.problem import Problem
from gateway.config.settings import Settings
from gateway.services import SERVICES

LIKENESS = 0.86
"""From 0 to 1: the similarity above which an unknown name is taken for a misspelling (difflib)."""

_KNOWN = frozenset({*NAMES, *OLD_NAMES.values(), *(f"{name}_FILE" for name in SECRETS)})
_CALLBACK = "/auth/callback"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_LIMITS = "means nothing here: set RATE_LIMIT_DEFAULT, as in `100 per 15 minutes`"
_ISSUER = "means nothing here: set KEYCLOAK_ISSUER_URL, realm path included"
_LIFE = "means nothing here: tokens live as long as Keycloak says (Realm settings > Tokens)"
_ORIGIN = "means nothing here: CORS lets FRONTEND_URL in"

OF_NEST: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("THROTTLE_TTL", "THROTTLE_LIMIT", "THROTTLER_TTL", "THROTTLER_LIMIT"), _LIMITS),
        **dict.fromkeys(("RATE_LIMIT_TTL", "RATE_LIMIT_MAX", "RATE_LIMIT_WINDOW_MS"), _LIMITS),
        **dict.fromkeys(("KEYCLOAK_URL", "KEYCLOAK_BASE_URL", "KEYCLOAK_REALM", "KEYCLOAK_AUTH_SERVER_URL"), _ISSUER),
        **dict.fromkeys(("JWT_EXPIRES_IN", "JWT_EXPIRATION", "JWT_REFRESH_SECRET", "JWT_REFRESH_EXPIRES_IN"), _LIFE),
        **dict.fromkeys(("CORS_ORIGIN", "CORS_ORIGINS", "ALLOWED_ORIGINS"), _ORIGIN),
        "KAFKA_GROUP_ID": "means nothing here: the gateway consumes nothing",
        "JWT_ISSUER": "means nothing here: the issuer is KEYCLOAK_ISSUER_URL",
        "JWT_PUBLIC_KEY": "means nothing here: keys are read from KEYCLOAK_ISSUER_URL",
        "KEYCLOAK_PUBLIC_KEY": "means nothing here: keys are read from KEYCLOAK_ISSUER_URL",
        "NODE_TLS_REJECT_UNAUTHORIZED": "means nothing here: certificates are always verified; set CA_BUNDLE",
    }
)
"""Names of NestJS gateways that are not read, and what to do instead."""


def impossible(settings: Settings) -> Iterator[Problem]:
    """Problems: settings that cannot work, or that open the gateway to everybody."""
    if settings.public_url_given is None and not settings.redirect_uri.endswith(_CALLBACK):
        yield Problem(
            "KEYCLOAK_REDIRECT_URI",
            f"has to end in {_CALLBACK}, or PUBLIC_URL has to say where the gateway is: cookies would go astray",
        )
    if any("*" in uri for uri in settings.allowed_redirect_uris):
        yield Problem("ALLOWED_REDIRECT_URIS", "holds a *, and is compared character for character: name each in full")
    if settings.production:
        yield from _of_everybody(settings)


def doubtful(settings: Settings) -> Iterator[Problem]:
    """Warnings: settings that are rarely intended."""
    if not settings.production:
        yield from _of_everybody(settings)
    for name, networks in _networks(settings):
        for network in networks:
            if network != "unix" and ip_interface(network).ip != ip_interface(network).network.network_address:
                yield Problem(name, f"{network} has host bits: {ip_interface(network).network} is meant")
    if settings.client_key is not None and settings.client_secret is not None:
        yield Problem("KEYCLOAK_CLIENT_SECRET", "is not used beside KEYCLOAK_CLIENT_KEY: take it away")
    yield from _plain_http(settings)
    yield from _paths_twice(settings)
    for origin in settings.frontend:
        if _site(origin) != _site(settings.public_url):
            yield Problem(
                "PUBLIC_URL",
                f"is not same-site with FRONTEND_URL {origin}: session cookies cannot work there, bearer tokens do",
            )


def _of_everybody(settings: Settings) -> Iterator[Problem]:
    for name, networks in _networks(settings):
        if any(network != "unix" and ip_interface(network).network.prefixlen == 0 for network in networks):
            yield Problem(name, "holds a network of everybody (/0): name the addresses of your proxies or readers")


def _networks(settings: Settings) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (
        ("TRUSTED_PROXIES", settings.trusted_proxies),
        ("METRICS_ALLOWED_NETWORKS", settings.metrics_allowed_networks),
    )


def _plain_http(settings: Settings) -> Iterator[Problem]:
    """Browsers accept no `Secure` cookie over plain http, except from localhost."""
    if not settings.production:
        return
    public = "PUBLIC_URL" if settings.public_url_given is not None else "KEYCLOAK_REDIRECT_URI"
    if _is_open(settings.public_url):
        yield Problem(public, "is http in production: browsers keep no session cookie of it; use https")
    if _is_open(settings.issuer):
        yield Problem("KEYCLOAK_ISSUER_URL", "is http in production: who listens signs in as anybody; use https")


def _paths_twice(settings: Settings) -> Iterator[Problem]:
    """A service is called at its base URL followed by the path of the request, which begins with the service's own."""
    for spec in SERVICES:
        for base in settings.services.get(spec.name, ()):
            if urlsplit(base).path.endswith(spec.path):
                right = base.removesuffix(spec.path)
                yield Problem(
                    spec.setting,
                    f"ends in {spec.path}, which is sent twice ({spec.path}{spec.path}): {right} is probably meant",
                )


def _is_open(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in _LOOPBACK


def unread_names(given: Iterable[str]) -> Iterator[Problem]:
    """Warnings: names that are not read, those of NestJS gateways and misspelled ones. `given` are all names of the
    environment and of `.env`."""
    for name in sorted(set(given) - _KNOWN):
        if name in OF_NEST:
            yield Problem(name, OF_NEST[name])
        elif "_" in name and (near := get_close_matches(name, _KNOWN, 1, LIKENESS)):
            yield Problem(name, f"is no setting: did you mean {near[0]}?")


def _site(url: str) -> tuple[str, str]:
    """Scheme and the host's last two labels: the site, but under public suffixes of two labels, where it only warns
    too seldom (HTML, "schemelessly same site")."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    is_name = not host.replace(".", "").isdigit() and ":" not in host
    return parts.scheme, ".".join(host.split(".")[-2:]) if is_name else host
