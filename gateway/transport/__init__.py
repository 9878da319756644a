"""The sealed HTTP session: every call that leaves the gateway goes through it, and carries only what it was given."""

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
