"""Slots for calls in flight: bounded in total and per user, with a short queue."""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import Protocol

from gevent.event import Event as Signal

from gateway import errors
from gateway.scope import serving

QUEUE_SECONDS = 1.0
"""The longest wait for a slot."""


class Limit(Protocol):
    """A limit that may change."""

    current: int
    ceiling: int


class FixedLimit:
    """A fixed limit."""

    def __init__(self, ceiling: int) -> None:
        self.current = self.ceiling = ceiling


class _Waiting:
    __slots__ = ("granted", "user")

    def __init__(self, user: str) -> None:
        self.user = user
        self.granted = Signal()


class Slots:
    """At most `limit.current` slots are taken, and at most `share` of them (0 to 1, at least one) by one user.

    If none is free, a call waits up to QUEUE_SECONDS. Waiting calls and taken slots together never exceed
    `limit.ceiling`, and those of one user never exceed its share of that.
    """

    def __init__(self, limit: Limit, share: float) -> None:
        self._limit = limit
        self._share = share
        self._held: dict[str, int] = {}
        self._queue: deque[_Waiting] = deque()
        self.taken = 0

    def take(self, user: str) -> None:
        """Take a slot, or wait for one. Raises ServiceUnavailable if none is free in time."""
        held = self._held.get(user, 0)
        current = self._limit.current
        if not self._queue and self.taken < current and held < (int(current * self._share) or 1):
            self.taken += 1
            self._held[user] = held + 1
            return
        mine = held + sum(waiting.user == user for waiting in self._queue)
        if self.taken + len(self._queue) >= self._limit.ceiling or mine >= self._of(self._limit.ceiling):
            raise errors.ServiceUnavailable(code=errors.ErrorCode.OVERLOADED)
        self._wait(user)

    def try_take(self, user: str) -> None:
        """Take a slot without waiting. Raises ServiceUnavailable if none is free."""
        if not self._is_free(user):
            raise errors.ServiceUnavailable(code=errors.ErrorCode.OVERLOADED)
        self._grant(user)

    def give_back(self, user: str) -> None:
        """Release a slot."""
        self.taken -= 1
        left = self._held[user] - 1
        if left:
            self._held[user] = left
        else:
            del self._held[user]
        if self._queue:
            self._admit()

    def _wait(self, user: str) -> None:
        waiting = _Waiting(user)
        self._queue.append(waiting)
        self._admit()
        began = monotonic()
        try:
            waiting.granted.wait(QUEUE_SECONDS)
        except BaseException:
            if waiting.granted.is_set():
                self.give_back(user)
            else:
                self._queue.remove(waiting)
            raise
        finally:
            if (scope := serving()) is not None:
                scope.queue_seconds = monotonic() - began
        if not waiting.granted.is_set():
            self._queue.remove(waiting)
            raise errors.ServiceUnavailable(code=errors.ErrorCode.OVERLOADED)

    def _admit(self) -> None:
        """Give the slot to the first waiting call whose user has not used up its share."""
        if self.taken >= self._limit.current:
            return
        for waiting in self._queue:
            if self._is_free(waiting.user):
                self._queue.remove(waiting)
                self._grant(waiting.user)
                waiting.granted.set()
                return

    def _is_free(self, user: str) -> bool:
        current = self._limit.current
        return self.taken < current and self._held.get(user, 0) < self._of(current)

    def _of(self, limit: int) -> int:
        return int(limit * self._share) or 1

    def _grant(self, user: str) -> None:
        self.taken += 1
        self._held[user] = self._held.get(user, 0) + 1
