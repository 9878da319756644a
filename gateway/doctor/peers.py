"""Names and certificates of whatever the gateway calls."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from time import time
from urllib.parse import urlsplit

import gevent

from gateway.doctor.deployment import Deployment
from gateway.doctor.finding import Finding, bad, good, questionable
from gateway.services import SERVICES
from gateway.traces import otlp
from gateway.wiring.outbound import tls_of

CONNECT_SECONDS = 3.0
FEW_DAYS = 14
DAY_SECONDS = 86_400


def urls(deployment: Deployment) -> Iterator[tuple[str, str]]:
    """Setting and URL of each peer that is spoken to over HTTP."""
    settings = deployment.settings
    yield deployment.keycloak_setting, deployment.keycloak_url
    for spec in SERVICES:
        for base in settings.services.get(spec.name, ()):
            yield spec.setting, base
    others = {
        "LOKI_HOST": settings.loki_host,
        "JAEGER_ENDPOINT": settings.jaeger_endpoint,
        otlp.endpoint_setting(settings.otel): otlp.endpoint(settings.otel),
    }
    yield from ((name, url) for name, url in others.items() if url)


def names(deployment: Deployment) -> Iterator[Finding]:
    """Whether each host name is known here."""
    hosts = {(name, urlsplit(url).hostname or "") for name, url in urls(deployment)}
    lookups = {key: gevent.spawn(_addresses, key[1]) for key in sorted(hosts)}
    for (name, host), lookup in lookups.items():
        found = lookup.get()
        if found:
            yield good(f"DNS of {name}", f"{host} is {', '.join(found[:4])}")
        else:
            yield bad(
                f"DNS of {name}",
                f"{host} is not known here",
                "an address",
                f"correct {name}, or the resolver of this machine (`getent hosts {host}`)",
            )


def certificates(deployment: Deployment) -> Iterator[Finding]:
    """Chain, name and days left of each peer that speaks TLS."""
    context = tls_of(deployment.settings)
    known = {(name, urlsplit(url).netloc): urlsplit(url) for name, url in urls(deployment)}
    asked = [
        gevent.spawn(_certificate, name, parts.hostname or "", parts.port or 443, context)
        for (name, _), parts in sorted(known.items())
        if parts.scheme == "https"
    ]
    for greenlet in asked:
        yield greenlet.get()


def _addresses(host: str) -> list[str]:
    try:
        return list(dict.fromkeys(str(row[4][0]) for row in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)))
    except (OSError, UnicodeError):
        return []


def _certificate(name: str, host: str, port: int, context: ssl.SSLContext) -> Finding:
    check, expected = f"TLS of {name}", f"a certificate for {host} that this machine trusts"
    connected = False
    try:
        with socket.create_connection((host, port), CONNECT_SECONDS) as plain:
            connected = True
            with context.wrap_socket(plain, server_hostname=host) as secured:
                found = secured.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return bad(
            check,
            f"refused: {error.verify_message}",
            expected,
            "set CA_BUNDLE to the PEM file of the authority that signed"
            " it; a certificate of another name or time has to be renewed at the peer",
        )
    except ssl.SSLError as error:
        return _no_tls(name, f"{host}:{port}", error.reason or type(error).__name__)
    except OSError as error:
        if connected:
            return _no_tls(name, f"{host}:{port}", error.strerror or f"no answer in {CONNECT_SECONDS:g} s")
        return bad(
            check, f"{host}:{port} cannot be reached: {error.strerror or 'too slow'}", expected, f"correct {name}"
        )
    left = int(ssl.cert_time_to_seconds(str(found["notAfter"])) - time()) // DAY_SECONDS
    if left < FEW_DAYS:
        return questionable(check, f"{left} days left", f"{FEW_DAYS} or more", "renew it at the peer")
    return good(check, f"trusted, {left} days left")


def _no_tls(name: str, place: str, why: str) -> Finding:
    return bad(
        f"TLS of {name}",
        f"{place}: the TLS handshake fails ({why})",
        "a peer that speaks TLS",
        f"http:// in {name} where it speaks none; otherwise let it offer TLS 1.2 or 1.3",
    )


CHECKS = (names, certificates)
