"""The hooks of a request, one idiom: a class with what it does before and after the view. Each is thin and calls an
engine; they are the only code under the views that knows Flask."""

from gateway.hooks.access import AccessHook
from gateway.hooks.cors import CorsHook
from gateway.hooks.errors import ErrorHook
from gateway.hooks.hook import Hook, register
from gateway.hooks.identity import LoadIdentityHook, RequireIdentityHook, require
from gateway.hooks.limits import RateLimitHook
from gateway.hooks.target import TargetHook
from gateway.hooks.tracing import InstrumentationHook

__all__ = [
    "AccessHook",
    "CorsHook",
    "ErrorHook",
    "Hook",
    "InstrumentationHook",
    "LoadIdentityHook",
    "RateLimitHook",
    "RequireIdentityHook",
    "TargetHook",
    "register",
    "require",
]
