"""The lag of a worker's event loop, which blocking calls and long computations cause."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import gevent

EVERY_SECONDS = 0.25


class LoopLag:
    """Sleeps for a known time, and measures how much later it wakes."""

    def __init__(self, observe: Callable[[float], object]) -> None:
        """`observe` is given each lag in seconds."""
        self._observe = observe
        self._watcher: gevent.Greenlet[[], None] | None = None

    def start(self) -> None:
        """Start measuring."""
        self._watcher = gevent.spawn(self._watch)

    def close(self, deadline: float) -> None:
        """Stop measuring."""
        if self._watcher is not None:
            self._watcher.kill()

    def _watch(self) -> None:
        while True:
            due = monotonic() + EVERY_SECONDS
            gevent.sleep(EVERY_SECONDS)
            self._observe(max(0.0, monotonic() - due))
