"""Periodic upkeep of the store's files: removes expired entries, and creates lost files again."""

from __future__ import annotations

import gevent

from gateway.store.counters import MachineCounters
from gateway.store.database import log
from gateway.store.folder import StoreFault
from gateway.store.local import LocalStore
from gateway.store.revocation_index import RevocationIndex

STORE_SWEEP_SECONDS = 5.0
_PAUSE = 0.05
"""Seconds between two pages of what is removed: others want to write, too."""


class StoreUpkeep:
    """Looks after the files of one store every `seconds`, in each process: any of them may end at any time."""

    def __init__(
        self, counters: MachineCounters, local: LocalStore, revocations: RevocationIndex, seconds: float
    ) -> None:
        self._counters = counters
        self._local = local
        self._revocations = revocations
        self._seconds = seconds

    def run(self) -> None:
        """Loop forever."""
        while True:
            gevent.sleep(self._seconds)
            try:
                self._sweep()
            except (StoreFault, OSError) as error:
                log.error("the store's file is missing and cannot be created again: %s", error)

    def _sweep(self) -> None:
        self._counters.look_after()
        if self._local.look_after_files():
            self._revocations.write_again()
        self._revocations.write_late()
        self._revocations.catch_up()  # of a process that died between its row and the number
        self._revocations.forget_expired()
        while self._local.sweep():
            gevent.sleep(_PAUSE)
