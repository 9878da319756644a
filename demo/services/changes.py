"""What changed, as an event stream (HTML Living Standard, section 9.2): the last ones are kept for who comes back."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

KEPT = 1000


@dataclass(frozen=True)
class Change:
    """One thing that happened to what ``owner`` has; ``number`` counts them all."""

    number: int
    owner: str
    kind: str
    data: dict[str, str]

    def __str__(self) -> str:
        return f"id: {self.number}\nevent: {self.kind}\ndata: {json.dumps(self.data)}\n\n"


class Changes:
    """The changes of everybody, each sent to its owner. ``beat``: seconds after which a quiet stream says a comment, so
    that nobody on the way takes it for dead."""

    def __init__(self, beat: float = 15.0) -> None:
        self._beat = beat
        self._happened = threading.Condition()
        self._kept: deque[Change] = deque(maxlen=KEPT)
        self._last = 0

    def add(self, owner: str, kind: str, data: dict[str, str]) -> None:
        with self._happened:
            self._last += 1
            self._kept.append(Change(self._last, owner, kind, data))
            self._happened.notify_all()

    def stream(self, owner: str, after: int | None) -> Iterator[str]:
        """The owner's changes as they happen; those since ``after`` at once, where they are still kept."""
        # Numbers begin anew with the process: a later one is of an earlier life.
        seen = after if after is not None and after <= self._last else self._last
        yield "retry: 1000\n: here is the stream\n\n"
        while True:
            new = self._wait(owner, seen)
            yield "".join(map(str, new)) if new else ": nothing new\n\n"
            seen = new[-1].number if new else seen

    def _wait(self, owner: str, seen: int) -> list[Change]:
        """What came since; nothing after a beat."""
        until = time.monotonic() + self._beat
        with self._happened:
            while True:
                new = [change for change in self._kept if change.number > seen and change.owner == owner]
                left = until - time.monotonic()
                if new or left <= 0:
                    return new
                self._happened.wait(left)
