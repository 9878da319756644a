"""Forwarding: one request to the service that owns it, its answer back."""

from gateway.proxy.body import Body
from gateway.proxy.departures import Departures
from gateway.proxy.forward import ServiceProxy
from gateway.proxy.upstream import Limits, Upstream

__all__ = ["Body", "Departures", "Limits", "ServiceProxy", "Upstream"]
