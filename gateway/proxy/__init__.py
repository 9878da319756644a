"""Forwarding: one request to the service that owns it, its answer back."""

from gateway.proxy.body import Body
from gateway.proxy.departures import Departures
from gateway.proxy.forward import ServiceProxy
from gateway.proxy.upstream import CallBounds, Upstream

__all__ = ["Body", "CallBounds", "Departures", "ServiceProxy", "Upstream"]
