"""Forwarding: sends a request to the service that owns it, and returns its response."""

from gateway.proxy.body import Body
from gateway.proxy.bounds import CallBounds
from gateway.proxy.disconnects import DisconnectMonitor
from gateway.proxy.forward import ServiceProxy
from gateway.proxy.upstream import Upstream

__all__ = ["Body", "CallBounds", "DisconnectMonitor", "ServiceProxy", "Upstream"]
