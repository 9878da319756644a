"""What is counted of events."""

from __future__ import annotations

from typing import Protocol


class Counts(Protocol):
    """Told by the publisher as it happens."""

    def sent(self, n: int) -> None:
        """So many were acknowledged by the broker."""

    def failed(self, n: int) -> None:
        """So many were refused for good, and are lost."""

    def dropped(self, n: int) -> None:
        """So many were lost because the queue was full, or because the gateway ended before they were sent."""

    def queued(self, n: int) -> None:
        """So many wait now, or are under way."""
