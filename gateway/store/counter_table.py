"""Counters in memory that the processes of a machine share: bounded in size, and still usable after a process was
killed while it counted."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import gevent

from gateway.store.stripe import Stripe

STRIPES = 8


class CounterTable:
    """Counters by names of NAME_BYTES random bytes (a keyed digest), 262,144 of them.

    8 MiB, whatever clients send: if a set is full, the window that ends first is dropped. Times are CLOCK_MONOTONIC's,
    which all processes of a machine share and nobody sets; it stands still while the machine is suspended, and so does
    a window.
    """

    def __init__(self, stripes: tuple[Stripe, ...]) -> None:
        self._stripes = stripes

    @classmethod
    def of_this_process(cls, clock: Callable[[], float] = monotonic) -> CounterTable:
        """One that nobody else sees."""
        return cls(tuple(Stripe(None, clock) for _ in range(STRIPES)))

    def close(self) -> None:
        for stripe in self._stripes:
            stripe.close()

    def count(self, name: bytes, amount: float, window: float) -> tuple[int, float]:
        """Add `amount`. Returns the new count and the seconds until the window ends; a window begins with its first
        count."""
        return self._stripes[name[0] % STRIPES].count(name, amount, window)

    def note(self, name: bytes, count: float, ends: float) -> None:
        """Merge a count made elsewhere, whose window ends at `ends` (monotonic). The higher count is kept."""
        self._stripes[name[0] % STRIPES].note(name, count, ends)

    def read(self, name: bytes) -> tuple[int, float]:
        """The count and the seconds until its window ends; zeros where there is none."""
        return self._stripes[name[0] % STRIPES].read(name)

    def clear(self, name: bytes) -> None:
        """Forget a counter."""
        self._stripes[name[0] % STRIPES].clear(name)

    def mark(self) -> None:
        """Tell all processes that this table also holds ended sessions."""
        self._stripes[0].mark()

    @property
    def marked(self) -> bool:
        """Whether ended sessions are in here too. 0.2 us."""
        return self._stripes[0].marked

    def take_over(self, other: CounterTable) -> None:
        """Note all that another one knows. Other greenlets run meanwhile."""
        if other.marked:
            self.mark()
        for stripe in other._stripes:
            for name, count, ends in stripe.entries():
                self.note(name, count, ends)
            gevent.sleep(0)
