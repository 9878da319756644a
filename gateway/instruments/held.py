"""Numbers that a request adds to in memory, and that are written together a moment later: a metric's own lock and file
are dearer than all else that is counted of a request."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Counts
from functools import partial

from prometheus_client import Counter, Gauge, Histogram

from gateway import http_methods


class Level:
    """A gauge that goes up and down with what is under way."""

    __slots__ = ("_gauge", "value")

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self.value = 0

    def write(self, without: int = 0) -> None:
        """Write the value, less by `without`."""
        self._gauge.set(self.value - without)


class Durations:
    """A histogram whose observations are held until they are written together: each by itself takes four locks and
    writes to two places in a file (7 us), and a number added to a list takes none."""

    __slots__ = ("_held", "_histogram", "observe")

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._held: list[float] = []
        self.observe = self._held.append

    def write(self) -> int:
        """Write what is held; how many."""
        held = self._held[:]
        self._held.clear()
        histogram = self._histogram
        if held:
            bounds, buckets = histogram._upper_bounds, histogram._buckets
            for number, count in Counts(map(partial(bisect_left, bounds), held)).items():
                buckets[number].inc(count)
            histogram._sum.inc(sum(held))
        return len(held)


class Responses:
    """What the instances of one service responded, counted in plain numbers until it is written."""

    __slots__ = ("_counter", "_held", "_service")

    def __init__(self, service: str, counter: Counter) -> None:
        self._service = service
        self._counter = counter
        self._held: dict[tuple[str, int], int] = {}

    def count(self, instance: str, status: int) -> None:
        """One more. A status beyond those of HTTP is counted as `other`: a service can make no label up."""
        key = (instance, status if status < 600 else 0)
        self._held[key] = self._held.get(key, 0) + 1

    def write(self) -> None:
        held, self._held = self._held, {}
        for (instance, status), count in held.items():
            self._counter.labels(self._service, instance, str(status) if status else http_methods.OTHER).inc(count)


class NotCounted:
    """In place of RequestCounts where there is no room for another series."""

    unbegun = 0

    def observe(self, seconds: float) -> None:
        """Nothing."""


class RequestCounts:
    """The counters of one kind of response; each response adds one duration, so that durations also give the count."""

    __slots__ = ("_durations", "_failed", "_total", "began", "observe", "unbegun")

    def __init__(self, duration: Histogram, total: Counter, failed: Counter | None) -> None:
        self._durations = Durations(duration)
        self.observe = self._durations.observe
        self.unbegun = 0
        self._total = total
        self._failed = failed

    def write(self) -> None:
        count = self._durations.write() + self.unbegun
        self.unbegun = 0
        if count:
            self._total.inc(count)
            if self._failed is not None:
                self._failed.inc(count)
