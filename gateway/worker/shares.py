"""How many connections each worker of a machine has, so that a new one goes to who has the fewest.

All workers wait at one socket, and the system wakes whom it likes: of 64 connections four workers had 6, 7, 6 and 45. A
socket for each (SO_REUSEPORT) would be evener, and lose what waits at the socket of a worker that is replaced.
"""

from __future__ import annotations

import mmap
from time import monotonic

SLOTS = 64
"""Workers beyond share a slot with another one: their connections are spread a little less evenly."""

STALE_SHARE_SECONDS = 3.0
"""A worker that has not published for so long is gone, or stuck: it tells three times as often."""

# Made when the master imports this, before it forks: all its workers, later ones too, have the same memory.
_memory = memoryview(mmap.mmap(-1, SLOTS * 16)).cast("d")
_told, _counts = _memory[:SLOTS], _memory[SLOTS:]


class Shares:
    """One worker's view of all; `age` tells it from the others."""

    def __init__(self, age: int) -> None:
        self._slot = age % SLOTS

    def publish(self, count: int) -> None:
        """This worker lives, and has so many connections."""
        _counts[self._slot] = count
        _told[self._slot] = monotonic()

    def leave(self) -> None:
        """This worker takes no more connections."""
        _told[self._slot] = 0.0

    def others_have_fewer(self, count: int) -> bool:
        """Whether a worker that lives has fewer than `count` connections (4 us, for each new connection)."""
        fresh = monotonic() - STALE_SHARE_SECONDS
        return any(told > fresh and other < count for told, other in zip(_told.tolist(), _counts.tolist(), strict=True))
