"""Forwarding: one request to the service that owns it, its answer back."""

from gateway.proxy.body import Body
from gateway.proxy.disconnects import DisconnectMonitor
from gateway.proxy.forward import ServiceProxy
from gateway.proxy.upstream import CallBounds, Upstream

__all__ = ["Body", "CallBounds", "DisconnectMonitor", "ServiceProxy", "Upstream"]
