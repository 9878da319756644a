"""An adaptive concurrency limit of a service, from its round trips (additive increase, multiplicative decrease).

It works like Netflix's concurrency-limits and Envoy's adaptive concurrency, except that it starts at its ceiling and
shrinks on evidence, because refusing calls that a service would have answered is worse.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

WINDOW_SECONDS = 1.0
DECREASE = 0.8
INCREASES = 10
"""The number of windows from zero to the ceiling."""

SOUND_SECONDS = 1.0
"""Round trips up to this never shrink the limit: a busy worker adds to them."""

TOLERANCE = 3.0
"""The factor above the usual round trip that counts as overload."""

USUAL_WEIGHT = 0.02
"""The weight of a window with longer round trips in the usual one; shorter ones weigh one half."""


class AdaptiveLimit:
    """The limit `current` between `floor` and `ceiling`. Report each call and each round trip to it."""

    def __init__(self, floor: int, ceiling: int, now: Callable[[], float] = monotonic) -> None:
        self.floor = min(floor, ceiling)
        self.ceiling = ceiling
        self.current = ceiling
        self._now = now
        self._usual = 0.0
        self._window_ends = now() + WINDOW_SECONDS
        self._count = self._most = 0
        self._sum = 0.0

    def arrived(self, in_flight: int) -> None:
        """A call arrives while `in_flight` are in flight."""
        if in_flight > self._most:
            self._most = in_flight
        now = self._now()
        if now >= self._window_ends:
            self._adjust(in_flight)
            self._window_ends = now + max(WINDOW_SECONDS, 2 * self._usual)

    def answered(self, seconds: float) -> None:
        """A call ended with a response or a time-out after `seconds`."""
        self._count += 1
        self._sum += seconds

    def _adjust(self, in_flight: int) -> None:
        """End one window. If none of the calls in flight was answered, the service is stuck."""
        if self._count:
            mean = self._sum / self._count
            is_late = mean > max(SOUND_SECONDS, TOLERANCE * self._usual) and self._usual > 0
            weight = USUAL_WEIGHT if mean > self._usual > 0 else 0.5 if self._usual else 1.0
            self._usual += weight * (mean - self._usual)
        else:
            is_late = in_flight > 0
        if is_late:
            self.current = max(self.floor, int(self.current * DECREASE))
        elif self._most > self.current / 2:
            self.current = min(self.ceiling, self.current + max(1, self.ceiling // INCREASES))
        self._count = self._most = 0
        self._sum = 0.0
