"""What is known of one request, made once when it comes in and read by every hook, view and log line after."""

from gateway.scope.peers import TrustedProxies
from gateway.scope.principal import Principal
from gateway.scope.request import Scope, current, open_scope, require_sound

__all__ = ["Principal", "Scope", "TrustedProxies", "current", "open_scope", "require_sound"]
