"""The sealed HTTP session: all outgoing calls of the gateway use it, and it adds nothing to a request."""

from gateway.transport.adapter import Adapter, Timeouts
from gateway.transport.connections import Connection, unpatched_poll
from gateway.transport.faults import (
    CallFault,
    ConnectError,
    ConnectTimedOut,
    IncompleteBody,
    NoResponse,
    ProtocolError,
    ResponseTimeout,
    loggable,
)
from gateway.transport.resolver import Resolver
from gateway.transport.response import UpstreamResponse
from gateway.transport.session import SealedSession, seal, tls_context

__all__ = [
    "Adapter",
    "CallFault",
    "ConnectError",
    "ConnectTimedOut",
    "Connection",
    "IncompleteBody",
    "NoResponse",
    "ProtocolError",
    "Resolver",
    "ResponseTimeout",
    "SealedSession",
    "Timeouts",
    "UpstreamResponse",
    "loggable",
    "seal",
    "tls_context",
    "unpatched_poll",
]
