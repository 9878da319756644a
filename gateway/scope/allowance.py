"""The allowance: the remainder of a rate limit."""

from __future__ import annotations

from typing import NamedTuple


class Allowance(NamedTuple):
    """Of the limit `name`, which is listed in `policy`: `left` of `limit` requests remain for `reset` seconds."""

    name: str
    policy: str
    limit: int
    left: int
    reset: int

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """X-RateLimit-* with seconds from now, as Nest's throttler has them, and RateLimit header fields draft-10."""
        return (
            ("X-RateLimit-Limit", str(self.limit)),
            ("X-RateLimit-Remaining", str(self.left)),
            ("X-RateLimit-Reset", str(self.reset)),
            ("RateLimit", f'"{self.name}";r={self.left};t={self.reset}'),
            ("RateLimit-Policy", self.policy),
        )
