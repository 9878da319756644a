"""A budget for retries, so that they never double a service's load (Envoy's and Finagle's retry budget)."""

from __future__ import annotations

RATIO = 0.1
"""Retries for each call."""

RESERVE = 100.0
"""The most that is saved up: so many calls to one instance can be made again at once when it dies."""


class RetryBudget:
    """Each call adds a tenth, each retry takes one."""

    def __init__(self) -> None:
        self._left = RESERVE

    def earn(self) -> None:
        """A call is made."""
        if self._left < RESERVE:
            self._left += RATIO

    def spend(self) -> bool:
        """Take one; False where none is left."""
        if self._left < 1:
            return False
        self._left -= 1
        return True
