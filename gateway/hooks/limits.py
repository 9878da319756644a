"""Rate limits: a request is counted, refused with 429 where its rule is used up, and told what is left."""

from __future__ import annotations

from werkzeug.wrappers import Response

from gateway.headers import put
from gateway.hooks.hook import Hook
from gateway.limits import RateLimiter
from gateway.scope import current


class RateLimitHook(Hook):
    """After it was found out who asks, before anybody is refused for that."""

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter

    def before_request(self) -> None:
        self._limiter.count_request(current())

    def after_request(self, response: Response) -> Response:
        allowance = current().allowance
        if allowance is not None:
            put(response.headers, allowance.headers)
        return response
