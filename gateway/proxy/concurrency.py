"""How many calls a service bears: a bound that follows its round trips (additive increase, multiplicative decrease).

As Netflix's concurrency-limits and Envoy's adaptive concurrency do it, with one difference: it begins at its ceiling
and shrinks on evidence, because refusing calls that a service would have answered is the worse fault.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

WINDOW_SECONDS = 1.0
DECREASE = 0.8
INCREASES = 10
"""From nothing to the ceiling in this many windows."""

SOUND_SECONDS = 1.0
"""A round trip up to this shrinks nothing: a busy worker adds some of its own."""

TOLERANCE = 3.0
"""How many times the usual round trip is taken to be overload."""

USUAL_WEIGHT = 0.02
"""How much a window with longer round trips changes what is usual; one with shorter ones changes it by half."""


class AdaptiveLimit:
    """The bound between `floor` and `ceiling`: `current`. Feed it each round trip, and tell it of each arrival."""

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
        """A call comes, and `in_flight` are under way."""
        if in_flight > self._most:
            self._most = in_flight
        now = self._now()
        if now >= self._window_ends:
            self._adjust(in_flight)
            self._window_ends = now + max(WINDOW_SECONDS, 2 * self._usual)

    def answered(self, seconds: float) -> None:
        """A call had its response, or its time-out, after `seconds`."""
        self._count += 1
        self._sum += seconds

    def _adjust(self, in_flight: int) -> None:
        """One window is over. Where nothing at all came back of what is under way the service is stuck."""
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
