"""Whose turn it is: what one client sends never keeps others from theirs (CONFORMANCE L6).

A greenlet gives way only where it has to wait, and one whose socket is always ready never has to. So a client that is
always ready stands in line; one that had to be waited for does not, however long the line is.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter

import gevent
from gevent.hub import Waiter

SLICE_SECONDS = 0.002
"""How long those who are always ready are served between two looks at all sockets."""

QUICK = 2
"""Looks within which a socket was ready again: its client is always ready."""


class Turns:
    """The line of a worker's clients that are always ready. Where nobody else wants a turn it costs nothing."""

    def __init__(self) -> None:
        self._loop = gevent.get_hub().loop
        self._line: deque[Waiter[None]] = deque()
        self._timer = self._loop.timer(0.0)
        self._look = -1
        self._until = 0.0

    @property
    def looks(self) -> int:
        """How often all sockets were looked at so far."""
        return self._loop.iteration

    def take(self, since: int) -> None:
        """Before a request whose socket was waited for from look `since` on: at once for who was slow, or while this
        look's slice lasts; else in line."""
        look = self._loop.iteration
        if look - since > QUICK:
            return
        now = perf_counter()
        if look != self._look:
            self._look, self._until = look, now + SLICE_SECONDS
        elif now > self._until:
            self.give()

    def give(self) -> None:
        """Let all others have a turn: between two steps of work whose next one is ready."""
        waiter: Waiter[None] = Waiter()
        if not self._line:
            self._timer.start(self._serve)
        self._line.append(waiter)
        waiter.get()

    def _serve(self) -> None:
        """A slice's worth of those in line, who may stand there again; by a timer, so that the loop looks between."""
        line = self._line
        until = perf_counter() + SLICE_SECONDS
        for _ in range(len(line)):
            line.popleft().switch(None)
            if perf_counter() > until:
                break
        self._timer.stop()
        if line:
            self._timer.start(self._serve)
