"""The counters of events."""

from __future__ import annotations

from typing import Protocol


class Counts(Protocol):
    """Called by the publisher."""

    def sent(self, n: int) -> None:
        """The broker acknowledged this number of events."""

    def failed(self, n: int) -> None:
        """The broker refused this number of events permanently; they are lost."""

    def dropped(self, n: int) -> None:
        """This number of events was lost because the queue was full, or the gateway stopped before they were sent."""

    def queued(self, n: int) -> None:
        """The number of events that wait or are being sent."""
