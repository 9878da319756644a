"""Counters of a machine, in the first place that takes them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from gateway.store.counter_files import CounterFiles, remove_left_behind
from gateway.store.counter_table import CounterTable
from gateway.store.folder import StoreFault, private_folder

log = logging.getLogger("gateway.store")

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  (a folder of our own is made there, see private_folder)


class MachineCounters:
    """Counters that all processes of a deployment on this machine share.

    They are in files in the first of `places` that takes them. While none does (full, read-only, gone), each process
    counts by itself: limits are then looser but still apply, and no request fails. `look_after` moves the counters to a
    better place once one is available."""

    def __init__(
        self,
        deployment: str,
        places: tuple[Path, ...],
        clock: Callable[[], float] = monotonic,
        alone: Callable[[bool], object] = bool,
    ) -> None:
        """`deployment`: processes with the same value share counters. `clock`: monotonic seconds. `alone` is called
        with whether this process counts by itself. Touches nothing."""
        self._deployment = deployment
        self._places = places
        self._clock = clock
        self._alone = alone
        self._files: CounterFiles | None = None
        self._rank = 0
        self._left: list[CounterFiles] = []
        self.table = CounterTable.of_this_process(clock)

    def open(self) -> None:
        """Open them in the best place, and remove what deployments that have ended left in shared memory."""
        self.look_after()
        if self._files is not None and self._places[self._rank] == SHARED_MEMORY:
            remove_left_behind(SHARED_MEMORY)

    def close(self) -> None:
        """Close the files; counting goes on in this process."""
        self._close_left()
        files, self._files, self._rank = self._files, None, 0
        self.table = CounterTable.of_this_process(self._clock)
        if files is not None:
            files.close()

    def look_after(self) -> None:
        """Keep the files; move to a better place where there is one. A move is one line in the log."""
        self._close_left()
        faults: list[str] = []
        for rank, place in enumerate(self._places):
            if rank == self._rank and self._files is not None and self._files.look_after():
                return
            try:
                files = self._opened(place)
            except (OSError, StoreFault) as fault:
                faults.append(f"{place} ({getattr(fault, 'strerror', None) or fault})")
            else:
                self._report(place, faults)
                self._move(rank, files)
                return
        if self._rank != len(self._places):
            log.error("rate limits: each worker counts separately, counters cannot be kept in %s", ", ".join(faults))
            self._move(len(self._places), None)

    def _opened(self, place: Path) -> CounterFiles:
        place.stat()  # it is not ours to make
        try:
            return CounterFiles(private_folder(self._deployment, place), self._clock)
        except FileNotFoundError:  # removed as left behind, at this moment
            return CounterFiles(private_folder(self._deployment, place), self._clock)

    def _report(self, place: Path, faults: list[str]) -> None:
        if faults:
            log.warning("rate limits: counters are kept in %s, not in %s", place, ", ".join(faults))
        elif self._files is not None or self._rank:
            log.warning("rate limits: counters are kept in %s again", place)

    def _move(self, rank: int, files: CounterFiles | None) -> None:
        before, self.table = self.table, CounterTable.of_this_process(self._clock) if files is None else files.table
        if self._files is not None:
            self._left.append(self._files)
        self._files, self._rank = files, rank
        self._alone(files is None)
        self.table.take_over(before)

    def _close_left(self) -> None:
        """Only now: a greenlet may have waited for a lock in them."""
        while self._left:
            self._left.pop().close()
