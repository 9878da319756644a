"""The number of connections of each worker of a machine, so that a new one goes to the worker with the fewest.

All workers wait at one socket, and the system wakes any of them: of 64 connections, four workers had 6, 7, 6 and 45. A
socket for each (SO_REUSEPORT) would be more even, but lose the connections that wait for a worker that is replaced.
"""

from __future__ import annotations

import mmap
from time import monotonic

SLOTS = 64
"""Workers beyond share a slot with another one: their connections are spread a little less evenly."""

STALE_SHARE_SECONDS = 3.0
"""A worker that has not published for this time has died or is stuck: it publishes three times as often."""

# Created when the master imports this, before it forks, so that all its workers share the memory.
_memory = memoryview(mmap.mmap(-1, SLOTS * 16)).cast("d")
_seen, _counts = _memory[:SLOTS], _memory[SLOTS:]


class Shares:
    """One worker's view of all workers; `age` identifies it."""

    def __init__(self, age: int) -> None:
        self._slot = age % SLOTS

    def publish(self, count: int) -> None:
        """Publish the number of connections of this worker."""
        _counts[self._slot] = count
        _seen[self._slot] = monotonic()

    def leave(self) -> None:
        """This worker accepts no more connections."""
        _seen[self._slot] = 0.0

    def others_have_fewer(self, count: int) -> bool:
        """Whether another live worker has fewer than `count` connections (4 us, for each new connection)."""
        fresh = monotonic() - STALE_SHARE_SECONDS
        return any(seen > fresh and other < count for seen, other in zip(_seen.tolist(), _counts.tolist(), strict=True))
