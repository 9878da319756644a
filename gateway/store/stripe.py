"""One part of a counter table: sets of counters in a file, with a lock that a killed process releases."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Callable, Iterator
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock
from time import monotonic

import gevent

NAME_BYTES = 16
SETS = 2048
WAYS = 16

LOCK_TRIES = 3
LOCK_SECONDS = 0.05
"""How long a counter waits for its lock before it counts without."""

SLACK_SECONDS = 1.0
"""A window that has more left than its length and this was not begun on this boot's clock."""

STOPPED_SECONDS = 1.0
"""How long nobody waits again for a lock whose holder did not give it back: it is a stopped process."""

_NAMES = WAYS * NAME_BYTES
_SET = _NAMES + 2 * 8 * WAYS
STRIPE_BYTES = SETS * _SET + 8
_MARK = SETS * _SET // 8
_ENDS = struct.Struct(f"<{WAYS}d")


class Stripe:
    """One part of the table, in a file with a lock of its own: sets of WAYS counters.

    A set is WAYS names, then their counts, then when their windows end (monotonic seconds; 0.0: no counter). One number
    more is a mark for all processes. A window is written in an order that makes a counter whose writer was killed in
    between one without a window.

    The lock is `flock`: the kernel gives it back for a process that is gone. It is held for a few microseconds in which
    no greenlet is switched, so who does not get it at once lets the others run and tries again.
    """

    def __init__(self, file: int | None, clock: Callable[[], float] = monotonic) -> None:
        """`file`: a descriptor, which is the stripe's from now on; None for memory of this process alone. OSError where
        there is no room for it: a hole in a full disk would end the process at its first write."""
        self._file = file
        self._clock = clock
        self._stopped_until = 0.0
        if file is not None:
            os.posix_fallocate(file, 0, STRIPE_BYTES)
        self._map = mmap.mmap(-1 if file is None else file, STRIPE_BYTES)
        self._numbers = memoryview(self._map).cast("d")

    def close(self) -> None:
        self._numbers.release()
        self._map.close()
        if self._file is not None:
            os.close(self._file)

    def count(self, name: bytes, amount: float, window: float) -> tuple[int, float]:
        """Add `amount`. Returns the new count and the seconds until the window ends; a window begins with its first
        count."""
        locked = self._lock()
        try:
            now = self._clock()
            place = self._place(name)
            numbers = self._numbers
            left = numbers[place + WAYS] - now if place else 0.0
            if 0.0 < left <= window + SLACK_SECONDS:
                numbers[place] = count = numbers[place] + amount
                return int(count), left
            self._begin(place or self._take(name), amount, now + window)
            return int(amount), window
        finally:
            if locked:
                flock(self._file, LOCK_UN)  # type: ignore[arg-type]

    def note(self, name: bytes, count: float, ends: float) -> None:
        """Merge a count made elsewhere, whose window ends at `ends` (monotonic). The higher count is kept."""
        locked = self._lock()
        try:
            now = self._clock()
            place = self._place(name)
            if ends > now and (not place or self._numbers[place + WAYS] <= now or self._numbers[place] <= count):
                self._begin(place or self._take(name), count, ends)
        finally:
            if locked:
                flock(self._file, LOCK_UN)  # type: ignore[arg-type]

    def read(self, name: bytes) -> tuple[int, float]:
        """The count and the seconds until its window ends; zeros where there is none."""
        place = self._place(name)
        left = self._numbers[place + WAYS] - self._clock() if place else 0.0
        return (int(self._numbers[place]), left) if left > 0.0 else (0, 0.0)

    def clear(self, name: bytes) -> None:
        """Remove a counter."""
        place = self._place(name)
        if place:
            self._numbers[place + WAYS] = 0.0

    def mark(self) -> None:
        """Set the mark, for as long as the stripe lives."""
        self._numbers[_MARK] = 1.0

    @property
    def marked(self) -> bool:
        return self._numbers[_MARK] != 0.0

    def entries(self) -> Iterator[tuple[bytes, float, float]]:
        """Name, count and end of every window that has not ended."""
        now = self._clock()
        for start in range(0, SETS * _SET, _SET):
            all_ends = _ENDS.unpack_from(self._map, start + _NAMES + 8 * WAYS)
            if max(all_ends) <= now:
                continue
            for way, ends in enumerate(all_ends):
                if ends > now:
                    name = self._map[start + way * NAME_BYTES : start + (way + 1) * NAME_BYTES]
                    yield name, self._numbers[(start + _NAMES) // 8 + way], ends

    def _place(self, name: bytes) -> int:
        """Where the count of this name is among the numbers, 0 where it is not there."""
        start = (name[1] << 8 | name[2]) % SETS * _SET
        found = self._map.find(name, start, start + _NAMES)
        return (start + _NAMES) // 8 + (found - start) // NAME_BYTES if found >= 0 else 0

    def _take(self, name: bytes) -> int:
        """A place for a new name: of its set the one that is free, or ends first."""
        start = (name[1] << 8 | name[2]) % SETS * _SET
        ends = _ENDS.unpack_from(self._map, start + _NAMES + 8 * WAYS)
        way = ends.index(min(ends))
        place = (start + _NAMES) // 8 + way
        self._numbers[place + WAYS] = 0.0
        self._map[start + way * NAME_BYTES : start + (way + 1) * NAME_BYTES] = name
        return place

    def _begin(self, place: int, count: float, ends: float) -> None:
        self._numbers[place] = count
        self._numbers[place + WAYS] = ends

    def _lock(self) -> bool:
        """Whether the lock is held now. False if its holder does not release it in time: the count is made anyway, and
        may overwrite a simultaneous one."""
        if self._file is None:
            return False
        try:
            flock(self._file, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            return self._wait_for_lock(self._file)
        return True

    def _wait_for_lock(self, file: int) -> bool:
        began = monotonic()
        if began < self._stopped_until:
            return False
        tries = 0
        while monotonic() - began < LOCK_SECONDS:
            tries += 1
            if tries > LOCK_TRIES:
                gevent.sleep(0.0005)
            else:
                os.sched_yield()
            try:
                flock(file, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                continue
            return True
        self._stopped_until = monotonic() + STOPPED_SECONDS
        return False
