"""Rate limits: rules declared with Flask-Limiter, counted in a storage of its engine `limits`."""

from gateway.limits.limiter import RateLimiter
from gateway.limits.rules import RuleBook, by_address, by_caller
from gateway.limits.windows import Windows

__all__ = ["RateLimiter", "RuleBook", "Windows", "by_address", "by_caller"]
