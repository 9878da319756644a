"""Rate limits: rules that views declare, counted by `limits`, the engine under Flask-Limiter."""

from gateway.limits.hook import RateLimits
from gateway.limits.marks import free, limited
from gateway.limits.rules import RuleBook, by_address, by_caller

__all__ = ["RateLimits", "RuleBook", "by_address", "by_caller", "free", "limited"]
