"""The lag of a worker's event loop, which blocking calls and long computations cause."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from time import monotonic, thread_time

import gevent

log = logging.getLogger("gateway")

EVERY_SECONDS = 0.25

TOLD_SECONDS = 0.5
"""A lag of this length is logged, with what the worker did meanwhile."""

TOLD_EVERY_SECONDS = 10.0
"""For so long only longer ones are logged."""

_SCHEDULING = "/proc/thread-self/schedstat"
"""Linux: nanoseconds on a CPU, nanoseconds of waiting for one, turns."""


class LoopLag:
    """Sleeps for a known time, and measures how much later it wakes."""

    def __init__(self, observe: Callable[[float], object]) -> None:
        """`observe` is given each lag in seconds."""
        self._observe = observe
        self._watcher: gevent.Greenlet[[], None] | None = None
        self._told_until, self._longest = 0.0, 0.0

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
            computed, queued = thread_time(), _queued()
            gevent.sleep(EVERY_SECONDS)
            lag = max(0.0, monotonic() - due)
            self._observe(lag)
            if lag > TOLD_SECONDS:
                self._tell(lag, thread_time() - computed, _queued() - queued)

    def _tell(self, lag: float, computed: float, queued: float) -> None:
        now = monotonic()
        if now >= self._told_until or lag > self._longest:
            self._told_until, self._longest = now + TOLD_EVERY_SECONDS, lag
            log.warning("Loop: blocked for %.1f s: %s", lag, reason_of(lag, computed, queued))


def reason_of(lag: float, computed: float, queued: float) -> str:
    """Why the loop was late by `lag`, all in seconds: in that time it computed, and it was queued for a CPU."""
    if queued >= max(computed, lag / 2):
        return f"the worker waited {queued:.1f} s for a CPU"
    if computed >= lag / 2:
        return f"the worker computed {computed:.1f} s"
    return "the worker was stopped, or waited in a call that blocks, as for a disk"


def _queued() -> float:
    """How long this thread has waited for a CPU so far; 0 where the system does not say."""
    with suppress(OSError, ValueError, IndexError), open(_SCHEDULING, encoding="ascii") as file:
        return int(file.read().split()[1]) / 1e9
    return 0.0
