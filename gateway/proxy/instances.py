"""The instances of one service: the least busy one is called, and one that fails is left out for some time."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from time import monotonic

from gateway import errors
from gateway.proxy.breaker import Breaker
from gateway.urls import place_of

COMPARED = 8
"""Up to this number all instances are compared; above, two random ones (the power of two choices)."""


class Instance:
    """One instance of a service: its calls in flight, and its health."""

    __slots__ = ("base_url", "breaker", "in_flight", "name")

    def __init__(self, base_url: str, now: Callable[[], float] = monotonic) -> None:
        """`base_url` has no trailing slash."""
        self.base_url = base_url
        self.name = place_of(base_url)
        self.breaker = Breaker(now)
        self.in_flight = 0


class Instances:
    """Chooses an instance, and never leaves all of them out."""

    def __init__(self, base_urls: Sequence[str], now: Callable[[], float] = monotonic) -> None:
        self.all = tuple(Instance(url, now) for url in base_urls)
        self._turn = 0

    def choose(self, but: Instance | None = None) -> Instance:
        """The instance for one call, which counts as made; not `but`, if there is another one.

        Raises ServiceUnavailable if all breakers are open.
        """
        chosen = self.all[0] if len(self.all) == 1 else self._least_busy([one for one in self.all if one is not but])
        if not chosen.breaker.admits():
            seconds = min(one.breaker.retry_after() for one in self.all)
            raise errors.ServiceUnavailable(seconds, errors.ErrorCode.BREAKER_OPEN)
        return chosen

    @property
    def are_unavailable(self) -> bool:
        """Whether all breakers are open."""
        return all(one.breaker.is_open for one in self.all)

    def _least_busy(self, others: list[Instance]) -> Instance:
        fit = [one for one in others if not one.breaker.is_ejected]
        fit = fit or [one for one in others if one.breaker.would_admit()] or others
        if len(fit) > COMPARED:
            fit = random.sample(fit, 2)
        self._turn += 1
        start = self._turn % len(fit)
        return min(fit[start:] + fit[:start], key=_calls_under_way)


def _calls_under_way(instance: Instance) -> int:
    return instance.in_flight
