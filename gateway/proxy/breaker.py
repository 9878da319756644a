"""The health of one instance: a circuit breaker, and outlier ejection for a growing time."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

FAILURES = 5
"""Calls in a row that could not connect or timed out, after which the breaker opens."""

OPEN_SECONDS = 5.0
"""How long an open breaker lets no call pass, and how long an instance is ejected for the first time."""

EJECTED_SECONDS_MOST = 60.0


class Breaker:
    """Closed, it lets every call pass. Open, none for OPEN_SECONDS; then one may try, and its end decides.

    Only silence opens it: a response, however bad, closes it. Beside that, an instance that was silent is ejected:
    others are asked before it, for OPEN_SECONDS at first and twice as long each time that its trial fails.
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
        """Whether calls are held back."""
        return self.failures >= FAILURES

    @property
    def is_ejected(self) -> bool:
        """Whether other instances are asked first."""
        return self.failures > 0 and self._now() < self._ejected_until

    def would_admit(self) -> bool:
        """Whether a call could be made now."""
        return not self.is_open or self._now() >= self._retry_at

    def admits(self) -> bool:
        """Whether a call may be made now, which is then taken to be made. After failures a True is the one trial of
        this period."""
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
        if not self.failures or self._on_trial:  # others that were under way say nothing new
            self._on_trial = False
            self._ejected_until = now + self._ejected_seconds
            self._ejections = min(self._ejections + 1, 8)
        self.failures += 1
        if self.is_open:
            self._retry_at = now + OPEN_SECONDS

    @property
    def _ejected_seconds(self) -> float:
        return min(EJECTED_SECONDS_MOST, OPEN_SECONDS * float(1 << self._ejections))
