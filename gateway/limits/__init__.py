"""Rate limits: rules as Flask-Limiter declares them, counted in a storage of its engine `limits`."""

from gateway.limits.hook import RateLimits
from gateway.limits.marks import free, limited
from gateway.limits.rules import RuleBook, by_address, by_caller
from gateway.limits.windows import Windows

__all__ = ["RateLimits", "RuleBook", "Windows", "by_address", "by_caller", "free", "limited"]
