"""The sealed HTTP session: every call that leaves the gateway goes through it, and carries only what it was given."""

from gateway.transport.adapter import Adapter, Timeouts
from gateway.transport.connections import Connection, unpatched_poll
from gateway.transport.faults import (
    ConnectError,
    ConnectTimedOut,
    IncompleteBody,
    NoResponse,
    ProtocolError,
    ResponseTimeout,
    loggable,
)
from gateway.transport.response import UpstreamResponse
from gateway.transport.session import SealedSession, seal, tls_context

__all__ = [
    "Adapter",
    "ConnectError",
    "ConnectTimedOut",
    "Connection",
    "IncompleteBody",
    "NoResponse",
    "ProtocolError",
    "ResponseTimeout",
    "SealedSession",
    "Timeouts",
    "UpstreamResponse",
    "loggable",
    "seal",
    "tls_context",
    "unpatched_poll",
]
