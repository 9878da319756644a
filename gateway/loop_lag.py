"""How late a worker's loop is: what a call that blocks, or a long computation, does to everybody else."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import gevent

EVERY_SECONDS = 0.25


class LoopLag:
    """Sleeps for a known time, and sees how much later it wakes."""

    def __init__(self, observe: Callable[[float], object]) -> None:
        """`observe` is given each lag in seconds."""
        self._observe = observe
        self._watcher: gevent.Greenlet[[], None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._watcher = gevent.spawn(self._watch)

    def close(self, deadline: float) -> None:
        """Look no more."""
        if self._watcher is not None:
            self._watcher.kill()

    def _watch(self) -> None:
        while True:
            due = monotonic() + EVERY_SECONDS
            gevent.sleep(EVERY_SECONDS)
            self._observe(max(0.0, monotonic() - due))
