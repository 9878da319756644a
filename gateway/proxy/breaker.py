"""A breaker: after five calls in a row that could not connect or were too slow, no more for a few seconds."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

FAILURES = 5
OPEN_SECONDS = 5.0


class Breaker:
    """Closed, it lets every call pass. Open, none for OPEN_SECONDS; then one may try, and its end decides.

    Only silence opens it: an answer, however bad, closes it.
    """

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self.failures = 0
        self._retry_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether calls are held back."""
        return self.failures >= FAILURES

    def admits(self) -> bool:
        """Whether a call may be made now. While open, a True is the one trial of this period."""
        if not self.is_open:
            return True
        now = self._now()
        if now < self._retry_at:
            return False
        self._retry_at = now + OPEN_SECONDS
        return True

    def retry_after(self) -> int:
        """Whole seconds until the next trial, at least 1."""
        return max(1, round(self._retry_at - self._now() + 0.5))

    def succeeded(self) -> None:
        """A call was answered."""
        self.failures = 0

    def failed(self) -> None:
        """A call could not connect, or was too slow."""
        self.failures += 1
        if self.is_open:
            self._retry_at = self._now() + OPEN_SECONDS
