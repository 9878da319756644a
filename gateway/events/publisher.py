"""The interface of what publishes events, which no request waits for, and the one without Kafka."""

from __future__ import annotations

from typing import Protocol

from gateway.events.event import Event


class Publisher(Protocol):
    """Accepts events. It must be started and closed, because it owns a greenlet."""

    def start(self) -> None: ...

    def publish(self, event: Event) -> None:
        """Queue an event; never blocks, never raises."""

    def healthy(self) -> bool:
        """Whether events are delivered; waits for about two seconds at most."""

    def close(self, deadline: float) -> None:
        """Send the waiting events by `deadline`, a monotonic time; the rest is lost."""


class NullPublisher:
    """Publishes nothing."""

    def start(self) -> None: ...

    def publish(self, event: Event) -> None: ...

    def healthy(self) -> bool:
        return True

    def close(self, deadline: float) -> None: ...
