"""A budget for retries, so that they never double a service's load (Envoy's and Finagle's retry budget)."""

from __future__ import annotations

RATIO = 0.1
"""Retries per call."""

RESERVE = 100.0
"""The maximum that is saved: the number of calls to one instance that can be retried at once when it dies."""


class RetryBudget:
    """Each call adds a tenth, each retry takes one. The caller increments `calls`: a method would cost 0.1 us."""

    def __init__(self) -> None:
        self.calls = 0
        self._counted = 0
        self._left = RESERVE

    def spend(self) -> bool:
        """Take one retry; False if none is left."""
        self._left = min(RESERVE, self._left + RATIO * (self.calls - self._counted))
        self._counted = self.calls
        if self._left < 1:
            return False
        self._left -= 1
        return True
