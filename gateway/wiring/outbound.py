"""Calls to services and to Keycloak: the connections, and their time-outs from the settings."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from opentelemetry.trace import Tracer

from gateway.config import Settings
from gateway.transport import Adapter, SealedSession, Timeouts, tls_context
from gateway.wiring.lifecycle import Part, Stage


@dataclass(frozen=True, slots=True)
class Outbound:
    """The adapter that forwarding uses, and a session on it for the gateway's own calls."""

    adapter: Adapter
    session: SealedSession
    tracer: Tracer
    parts: tuple[Part, ...]


def outbound(settings: Settings, tracer: Tracer) -> Outbound:
    """Connects to nothing."""
    adapter = Adapter(tls_of(settings), bounds_of(settings), tracer)
    return Outbound(adapter, SealedSession(adapter), tracer, parts=((Stage.CONNECTIONS, adapter),))


def tls_of(settings: Settings) -> ssl.SSLContext:
    """The trusted certificates of outgoing connections."""
    return tls_context(settings.ca_bundle)


def bounds_of(settings: Settings) -> Timeouts:
    """The time-outs of one call."""
    return Timeouts(settings.connect_timeout, settings.read_timeout, settings.total_timeout)
