"""A budget for retries, so that they never double a service's load (Envoy's and Finagle's retry budget)."""

from __future__ import annotations

RATIO = 0.1
"""Retries for each call."""

RESERVE = 100.0
"""The most that is saved up: so many calls to one instance can be made again at once when it dies."""


class RetryBudget:
    """Each call adds a tenth, each retry takes one. `calls` is counted by who makes them: a method would be 0.1 us."""

    def __init__(self) -> None:
        self.calls = 0
        self._counted = 0
        self._left = RESERVE

    def spend(self) -> bool:
        """Take one; False where none is left."""
        self._left = min(RESERVE, self._left + RATIO * (self.calls - self._counted))
        self._counted = self.calls
        if self._left < 1:
            return False
        self._left -= 1
        return True
