"""How many, how large, how often."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """In seconds: how long an item waits for others at most, and how long a batch that could not be delivered waits
    for its next try, at first and, doubled each time, at last."""

    every: float = 1.0
    first_retry: float = 0.5
    last_retry: float = 30.0


USUAL = Pace()


@dataclass(frozen=True, slots=True)
class Bounds:
    """At most so many items, of so many bytes together."""

    items: int
    size: int
