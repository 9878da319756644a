"""The health of one instance: a circuit breaker, and outlier ejection for an increasing time."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

FAILURES = 5
"""Calls in a row that could not connect or timed out, after which the breaker opens."""

OPEN_SECONDS = 5.0
"""How long an open breaker allows no call, and how long the first ejection of an instance lasts."""

EJECTED_SECONDS_MOST = 60.0


class Breaker:
    """Closed, it allows every call. Open, it allows none for OPEN_SECONDS; then one trial call decides.

    Only connection failures and time-outs open it; any response, even an error, closes it. An instance that failed in
    this way is also ejected: others are preferred, for OPEN_SECONDS at first, and twice as long after each failure.
    """

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self.failures = 0
        self._ejections = 0
        self._on_trial = False
        self._retry_at = 0.0
        self._ejected_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether calls are refused."""
        return self.failures >= FAILURES

    @property
    def is_ejected(self) -> bool:
        """Whether other instances are preferred."""
        return self.failures > 0 and self._now() < self._ejected_until

    def would_admit(self) -> bool:
        """Whether a call is allowed now."""
        return not self.is_open or self._now() >= self._retry_at

    def admits(self) -> bool:
        """Whether a call is allowed now; True counts it as made. After failures, it is the only trial of this
        period."""
        if not self.failures:
            return True
        if not self.would_admit():
            return False
        now = self._now()
        self._on_trial = True
        self._retry_at = now + OPEN_SECONDS
        self._ejected_until = now + self._ejected_seconds
        return True

    def retry_after(self) -> int:
        """Whole seconds until the next trial, at least 1."""
        return max(1, round(self._retry_at - self._now() + 0.5))

    def succeeded(self) -> None:
        """A call was answered."""
        self.failures = self._ejections = 0

    def failed(self) -> None:
        """A call could not connect, or timed out."""
        now = self._now()
        if not self.failures or self._on_trial:  # other calls in flight add no information
            self._on_trial = False
            self._ejected_until = now + self._ejected_seconds
            self._ejections = min(self._ejections + 1, 8)
        self.failures += 1
        if self.is_open:
            self._retry_at = now + OPEN_SECONDS

    @property
    def _ejected_seconds(self) -> float:
        return min(EJECTED_SECONDS_MOST, OPEN_SECONDS * float(1 << self._ejections))
