"""The hooks of a request: classes with a method before and a method after the view. Each is thin and calls an engine;
below the views, only hooks use Flask."""

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
