"""Counters whose window begins with their first request: a storage of the `limits` library."""

from __future__ import annotations

from time import time
from typing import Protocol

from limits.storage import Storage


class Counters(Protocol):
    """Stores the counters."""

    def count(self, key: str, amount: int, window: float) -> tuple[int, float]:
        """Add `amount` to `key`; the new count, and the seconds until its window ends."""

    def counted(self, key: str) -> tuple[int, float]:
        """What it came to, and the seconds until its window ends; zeros where there is none."""

    def forget_count(self, key: str) -> None:
        """Reset it: the next count starts a new window."""


class Windows(Storage):
    """Fixed windows over counters that all workers share: in memory of the machine, or in Redis (see `Store.count`).

    The memory storage of `limits` is per process, not bounded, and starts a thread for expiry; its others need a
    server.
    """

    STORAGE_SCHEME = None

    def __init__(self, counters: Counters) -> None:
        super().__init__()
        self._counters = counters

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def count(self, key: str, window: float, amount: int = 1) -> tuple[int, float]:
        """Count; the new count, and the seconds until the window of `window` seconds ends."""
        return self._counters.count(key, amount, window)

    def counted(self, key: str) -> tuple[int, float]:
        """What it came to, and the seconds until its window ends; zeros where there is none."""
        return self._counters.counted(key)

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count; the new count. `expiry`: the window's length in seconds."""
        return self._counters.count(key, amount, expiry)[0]

    def get(self, key: str) -> int:
        return self._counters.counted(key)[0]

    def get_expiry(self, key: str) -> float:
        """The end of the window in seconds since the epoch; the current time if there is none."""
        return time() + self._counters.counted(key)[1]

    def check(self) -> bool:
        return True

    def reset(self) -> int | None:
        """Other processes share the counters."""
        raise NotImplementedError

    def clear(self, key: str) -> None:
        self._counters.forget_count(key)
