"""The sealed HTTP session: every call that leaves the gateway goes through it, and carries only what it was given."""

from gateway.transport.adapter import Adapter, Timeouts
from gateway.transport.answer import Answer
from gateway.transport.connections import Connection, looking_poll
from gateway.transport.faults import BadAnswer, CallTimeout, ConnectTimedOut, Cut, NoAnswer, NotSent, told
from gateway.transport.session import Session, seal, tls_context

__all__ = [
    "Adapter",
    "Answer",
    "BadAnswer",
    "CallTimeout",
    "ConnectTimedOut",
    "Connection",
    "Cut",
    "NoAnswer",
    "NotSent",
    "Session",
    "Timeouts",
    "looking_poll",
    "seal",
    "tls_context",
    "told",
]
