"""Bounds of queues and batches, and the times between them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """In seconds: the longest time that an item waits for others; and the first and the longest wait before a retry,
    which doubles each time."""

    every: float = 1.0
    first_retry: float = 0.5
    last_retry: float = 30.0


USUAL = Pace()


@dataclass(frozen=True, slots=True)
class Bounds:
    """At most so many items, of so many bytes together."""

    items: int
    size: int
