"""The bounded queue of events that have not been acknowledged, in order."""

from __future__ import annotations

from collections import deque

from gateway.events.event import Event


class Outbox:
    """Waiting events, and before them those that are being sent. When it is full, a new event drops the oldest waiting
    one: this is where events are lost while Kafka is down."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._waiting: deque[Event] = deque()
        self._under_way: dict[str, Event] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._under_way)

    @property
    def under_way(self) -> int:
        """The number of events that are being sent."""
        return len(self._under_way)

    def add(self, event: Event) -> bool:
        """Append the event; whether another one was dropped for it."""
        full = len(self) >= self._capacity
        if full and self._waiting:
            self._waiting.popleft()
        self._waiting.append(event)
        return full

    def take(self, count: int) -> list[Event]:
        """Take up to `count` of the oldest waiting events, to send them."""
        taken = [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]
        self._under_way |= {event.id: event for event in taken}
        return taken

    def settle(self, event: Event) -> bool:
        """Remove an event that was sent or lost; False if it was removed already."""
        return self._under_way.pop(event.id, None) is not None

    def put_back(self) -> None:
        """Put the events that were being sent back to the front, in order."""
        self._waiting.extendleft(reversed(self._under_way.values()))
        self._under_way.clear()
