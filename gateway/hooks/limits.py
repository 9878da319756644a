"""Rate limits: each request is counted, answered with 429 over its limit, and gets headers with the allowance."""

from __future__ import annotations

from werkzeug.wrappers import Response

from gateway.headers import put
from gateway.hooks.hook import Hook
from gateway.limits import RateLimiter
from gateway.scope import current


class RateLimitHook(Hook):
    """Runs after the user was determined, and before unauthenticated requests are refused."""

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter

    def before_request(self) -> None:
        self._limiter.count_request(current())

    def after_request(self, response: Response) -> Response:
        allowance = current().allowance
        if allowance is not None:
            put(response.headers, allowance.headers)
        return response
