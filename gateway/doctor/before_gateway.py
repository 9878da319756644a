"""How what stands before the gateway is asked: checks that need it there, and connections of their own to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import urlsplit

from gateway.config import Settings
from gateway.doctor.deployment import Answer, Deployment
from gateway.doctor.finding import Finding
from gateway.wiring.outbound import tls_of

PROXY_SECONDS = 3.0
"""How long an answer, or the first byte of a stream, may take."""

ERROR_BYTES = 16_384
"""So much of an answer is read to see whose it is."""

Check = Callable[[Deployment], Iterator[Finding]]


def through_public_url(check: Check) -> Check:
    """A check of what PUBLIC_URL leads through: it says nothing where that leads to no gateway, which has its own
    finding."""

    @wraps(check)
    def guarded(deployment: Deployment) -> Iterator[Finding]:
        answer = deployment.public()
        if isinstance(answer, Answer) and answer.is_alive:
            yield from check(deployment)

    return guarded


def stands_alone(settings: Settings) -> bool:
    """Whether nobody is before the gateway: PUBLIC_URL is its own address."""
    parts = urlsplit(settings.public_url)
    return parts.scheme == "http" and parts.port == settings.port


@contextmanager
def connection_to(
    base: str, settings: Settings, seconds: float = PROXY_SECONDS, source: str | None = None
) -> Iterator[tuple[HTTPConnection, str]]:
    """A connection of HTTP/1.1 of its own, and the path below which everything is there. `source`: the address that it
    comes from."""
    parts = urlsplit(base)
    host, own = parts.hostname or "", (source, 0) if source is not None else None
    if parts.scheme == "https":
        context = tls_of(settings)
        connection: HTTPConnection = HTTPSConnection(
            host, parts.port, timeout=seconds, source_address=own, context=context
        )
    else:
        connection = HTTPConnection(host, parts.port, seconds, own)
    try:
        yield connection, parts.path.rstrip("/")
    finally:
        connection.close()


def answer_to(connection: HTTPConnection) -> Answer:
    """The answer to what was sent on it, whose `error` says whether a gateway gave it. OSError or HTTPException where
    there is none."""
    response = connection.getresponse()
    fields = tuple(response.getheaders())
    text = response.read(ERROR_BYTES).decode("utf-8", "replace")
    return Answer(response.status, {name.lower(): value for name, value in fields}, text, fields)
