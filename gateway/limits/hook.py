"""The hook that counts a request, and refuses it with 429 where its rule is used up."""

from __future__ import annotations

import logging
from collections.abc import Callable
from math import ceil
from time import time

from flask import Flask, Response, request
from limits import RateLimitItem
from limits.strategies import FixedWindowRateLimiter

from gateway import errors
from gateway.limits.rules import Key, Rule, RuleBook, by_address
from gateway.limits.windows import Windows
from gateway.scope import Allowance, current
from gateway.tokens import InvalidToken, Lapsed

log = logging.getLogger("gateway.limits")


class RateLimits:
    """Counts requests by the rules of a RuleBook, in Windows.

    Flask-Limiter's `Limit` declares the rules and its engine `limits` counts. Its own hooks are left out (213 us a
    request with headers, against 9 here): they would count before a token is known to be good.
    """

    def __init__(self, rules: RuleBook, windows: Windows, refused: Callable[[str], None]) -> None:
        """`refused` is told the name of the rule that refuses a request."""
        self._rules = rules
        self._engine = FixedWindowRateLimiter(windows)
        self._refused = refused
        self._known: dict[str, tuple[Rule | None, Key | None]] = {}

    def init_app(self, app: Flask) -> None:
        """Hook into `app`: after it was found out who asks, before anybody is refused for that."""

        @app.before_request
        def count() -> None:
            endpoint = request.endpoint
            if endpoint is None:  # no such route or method, for whoever asks
                self._spend(self._rules.default, by_address())
                return
            try:
                rule, key = self._known[endpoint]
            except KeyError:
                rule, key = self._known[endpoint] = self._rules.of(endpoint, app.view_functions[endpoint])
            refusal = current().refusal
            if isinstance(refusal, InvalidToken) and not isinstance(refusal, Lapsed):
                self._spend(self._rules.token, by_address())
            elif rule is not None and key is not None:
                self._spend(rule, key())

        @app.after_request
        def tell(response: Response) -> Response:
            allowance = current().allowance
            if allowance is not None:
                for name, value in allowance.headers:
                    response.headers[name] = value
            return response

    def count(self, key: str) -> None:
        """Count one call of `key` by the rule of the view that is being served. TooManyRequests where none is left."""
        rule, _ = self._known[request.endpoint or ""]
        if rule is not None:
            self._spend(rule, key)

    def show(self, key: str) -> None:
        """Tell what `key` has left for the view that is being served; nothing is counted."""
        rule, _ = self._known[request.endpoint or ""]
        if rule is not None:
            for item in rule.items:
                self._tell(rule, item, key)

    def _spend(self, rule: Rule, key: str) -> None:
        for item in rule.items:
            passed = self._engine.hit(item, rule.name, key)
            allowance = self._tell(rule, item, key)
            if not passed:
                self._refuse(rule, allowance)

    def _tell(self, rule: Rule, item: RateLimitItem, key: str) -> Allowance:
        """What is left of one limit; of several the client is told of the one with the least."""
        scope = current()
        ends, left = self._engine.get_window_stats(item, rule.name, key)
        allowance = Allowance(rule.name, rule.policy, item.amount, left, max(1, ceil(ends - time())))
        if scope.allowance is None or left <= scope.allowance.left:
            scope.allowance = allowance
        return allowance

    def _refuse(self, rule: Rule, allowance: Allowance) -> None:
        scope = current()
        self._refused(rule.name)
        user = scope.principal.user_id if scope.principal else None
        log.warning(
            "Limits: %s: used up", rule.name,
            extra={"rule": rule.name, "ip": scope.client, "userId": user, "url": scope.path},
        )  # fmt: skip
        raise errors.TooManyRequests(allowance.reset)
