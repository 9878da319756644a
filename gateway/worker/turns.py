"""Fair turns: one client never keeps others waiting (statement L6 of docs/conformance.md).

A greenlet only yields when it has to wait, which never happens if its socket is always ready. So a client that is
always ready waits in a queue; a client that had to be waited for is served at once, however long the queue is.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter

import gevent
from gevent.hub import Waiter

SLICE_SECONDS = 0.002
"""How long clients that are always ready are served between two polls of all sockets."""

QUICK = 2
"""The number of polls within which a socket must be ready again for its client to count as always ready."""


class Turns:
    """The queue of a worker's clients that are always ready. It costs nothing if no other client waits."""

    def __init__(self) -> None:
        self._loop = gevent.get_hub().loop
        self._line: deque[Waiter[None]] = deque()
        self._timer = self._loop.timer(0.0)
        self._look = -1
        self._until = 0.0

    @property
    def looks(self) -> int:
        """The number of polls of all sockets so far."""
        return self._loop.iteration

    def take(self, since: int) -> None:
        """Wait for a turn to serve a request; `since` is the poll at which its socket began to be awaited. Returns at
        once for a slow client, or within this poll's slice; otherwise it queues."""
        look = self._loop.iteration
        if look - since > QUICK:
            return
        now = perf_counter()
        if look != self._look:
            self._look, self._until = look, now + SLICE_SECONDS
        elif now > self._until:
            self.give()

    def give(self) -> None:
        """Let all others have a turn, between two steps of work."""
        waiter: Waiter[None] = Waiter()
        if not self._line:
            self._timer.start(self._serve)
        self._line.append(waiter)
        waiter.get()

    def _serve(self) -> None:
        """Serve the queue for one slice; called by a timer, so that the loop polls in between."""
        line = self._line
        until = perf_counter() + SLICE_SECONDS
        for _ in range(len(line)):
            line.popleft().switch(None)
            if perf_counter() > until:
                break
        self._timer.stop()
        if line:
            self._timer.start(self._serve)
