"""The scope of a request: created when it arrives, and read by every hook, view and log line after that."""

from gateway.scope.allowance import Allowance
from gateway.scope.peers import Networks, TrustedProxies, plain_address
from gateway.scope.principal import Principal
from gateway.scope.request import ABORTED, CUT, SENT, Scope, current, new_trace_id, open_scope, require_sound, serving

__all__ = [
    "ABORTED",
    "CUT",
    "SENT",
    "Allowance",
    "Networks",
    "Principal",
    "Scope",
    "TrustedProxies",
    "current",
    "new_trace_id",
    "open_scope",
    "plain_address",
    "require_sound",
    "serving",
]
