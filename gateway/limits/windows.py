"""Where the counters are: with Redis in there, for all machines; else, or while it is away, in this process."""

from __future__ import annotations

from math import inf
from time import time
from typing import Protocol

from limits.storage import Storage

MOST_KEYS = 100_000
"""Counters in this process, about 30 MB; the window that began first goes first."""


class SharedCounters(Protocol):
    """Counters that several processes share."""

    def count(self, key: str, amount: int, window: float) -> tuple[int, float] | None:
        """What `key` comes to with `amount` more, and the seconds until its window ends, which began with its first
        count; None where it can not be said."""


class Windows(Storage):
    """Counters whose window begins with their first request: a storage of the `limits` library.

    One table holds what was counted here and what Redis said last: so `incr` is the only call that leaves the process
    (`get` and `get_expiry` read what it has just heard), and a counter goes on from there while Redis is away. limits'
    own memory storage is not bounded, and starts a thread for what has lapsed.
    """

    STORAGE_SCHEME = None

    def __init__(self, shared: SharedCounters | None = None, most: int = MOST_KEYS) -> None:
        super().__init__()
        self._shared = shared
        self._most = most
        self._counters: dict[str, tuple[int, float]] = {}

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count; what it comes to. `expiry`: the window's length in seconds."""
        return self.count(key, expiry, amount)[0]

    def count(self, key: str, expiry: float, amount: int = 1) -> tuple[int, float]:
        """Count; what it comes to, and when its window ends (seconds since the epoch)."""
        now = time()
        told = self._shared.count(key, amount, expiry) if self._shared is not None else None
        known, ends = self._counters.get(key, (0, -inf))
        if now >= ends:
            self._counters.pop(key, None)  # to stand last again
            self._make_room(now)
            known, ends = 0, now + expiry
        count = known + amount
        if told is not None:
            count, ends = told[0], now + told[1]
        found = self._counters[key] = count, ends
        return found

    def get(self, key: str) -> int:
        count, ends = self._counters.get(key, (0, -inf))
        return count if time() < ends else 0

    def get_expiry(self, key: str) -> float:
        """When the window ends, in seconds since the epoch; now, where there is none."""
        return max(self._counters.get(key, (0, -inf))[1], time())

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        count = len(self._counters)
        self._counters.clear()
        return count

    def clear(self, key: str) -> None:
        self._counters.pop(key, None)

    def _make_room(self, now: float) -> None:
        """Windows end about in the order in which they began: the first ones are looked at, two for each new one."""
        for _ in range(2):
            key = next(iter(self._counters), None)
            if key is not None and (len(self._counters) >= self._most or self._counters[key][1] <= now):
                del self._counters[key]
