"""Events that were not acknowledged yet, in their order, at most so many."""

from __future__ import annotations

from collections import deque

from gateway.events.event import Event


class Outbox:
    """Those that wait, and before them those under way; the oldest that waits makes room when it is full."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._waiting: deque[Event] = deque()
        self._under_way: dict[str, Event] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._under_way)

    @property
    def under_way(self) -> int:
        """How many were taken and not settled."""
        return len(self._under_way)

    def add(self, event: Event) -> bool:
        """Put it last; whether one was dropped for it."""
        full = len(self) >= self._capacity
        if full and self._waiting:
            self._waiting.popleft()
        self._waiting.append(event)
        return full

    def take(self, count: int) -> list[Event]:
        """The first that wait, at most so many; they are under way now."""
        taken = [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]
        self._under_way |= {event.id: event for event in taken}
        return taken

    def settle(self, event: Event) -> bool:
        """This one is done with; False where it was so already."""
        return self._under_way.pop(event.id, None) is not None

    def put_back(self) -> None:
        """What is under way waits again, before all others, in the order it had."""
        self._waiting.extendleft(reversed(self._under_way.values()))
        self._under_way.clear()
