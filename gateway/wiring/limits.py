"""Rate limits."""

from __future__ import annotations

from gateway.config import Settings
from gateway.instruments import Instruments
from gateway.limits import RateLimiter, RuleBook, Windows
from gateway.store import Store


def rate_limiter(settings: Settings, store: Store, instruments: Instruments) -> RateLimiter:
    """Set by RATE_LIMIT_*; counted in the store, if that is shared."""
    book = RuleBook(
        {
            "default": settings.rate_limit_default,
            "media": settings.rate_limit_media,
            "auth": settings.rate_limit_auth,
        }
    )
    return RateLimiter(book, Windows(store), instruments.limited)
