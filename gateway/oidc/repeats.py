"""Log lines that would repeat: once per cause and minute."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

QUIET_SECONDS = 60.0


class Repeats:
    """Decides whether a cause is due in the log: at most once in QUIET_SECONDS for each."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._logged: dict[str, float] = {}

    def due(self, cause: str) -> bool:
        """Whether to log `cause` now. Older causes are forgotten, so that their number is bounded."""
        now = self._now()
        self._logged = {known: at for known, at in self._logged.items() if now - at < QUIET_SECONDS}
        if cause in self._logged:
            return False
        self._logged[cause] = now
        return True
