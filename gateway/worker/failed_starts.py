"""How long a worker that cannot start waits before it ends, as gunicorn replaces it at once."""

from __future__ import annotations

import mmap

LONGEST_PAUSE_SECONDS = 15.0
"""Whoever has removed the cause waits no longer than this for the next try."""

# Created when the master imports this, before it forks, so that all its workers share the memory.
_in_a_row = memoryview(mmap.mmap(-1, 8)).cast("Q")


def pause_after_failed_start() -> float:
    """Seconds: a second after the first of all workers, and twice as long after each that follows."""
    pause = min(LONGEST_PAUSE_SECONDS, 2.0 ** min(_in_a_row[0], 16))
    _in_a_row[0] += 1
    return pause


def started() -> None:
    """A worker has started: the next failure is a first one."""
    _in_a_row[0] = 0
