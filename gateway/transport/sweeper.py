"""One sweep of all connections a few times a second: a timer for each wait costs 10 us, and a request has two."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from time import monotonic

import gevent

from gateway.transport.origin import Origin

log = logging.getLogger("gateway.transport")

POOL_SWEEP_SECONDS = 0.25
"""The maximum delay of a time-out, and of closing a connection that its peer has closed."""


class Sweeper:
    """Aborts calls after their deadline, and closes idle connections that cannot be used again."""

    def __init__(self, origins: Callable[[], Collection[Origin]]) -> None:
        self._origins = origins
        self._sweeping: gevent.Greenlet[[], None] | None = None

    def ensure(self) -> None:
        """Start, if it is not running."""
        if self._sweeping is None:
            self._sweeping = gevent.spawn(self._sweep)

    def close(self) -> None:
        """Stop."""
        if self._sweeping is not None:
            self._sweeping.kill()
            self._sweeping = None

    def _sweep(self) -> None:
        while True:
            gevent.sleep(POOL_SWEEP_SECONDS)
            try:
                self._sweep_once(monotonic())
            except Exception:  # without sweeps no call of this worker would have a time-out
                log.exception("looking for late calls failed")

    def _sweep_once(self, now: float) -> None:
        for origin in list(self._origins()):
            origin.expire_late(now)
            origin.drop_stale()
