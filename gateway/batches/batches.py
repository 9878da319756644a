"""A bounded queue whose items one greenlet sends in batches, in order; adding an item never waits."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

import gevent
from gevent.event import Event as Signal

from gateway.batches.bounds import USUAL, Bounds, Pace
from gateway.batches.faults import PermanentFailure, RetryableFailure

Item = TypeVar("Item")


class Batches(Generic[Item]):
    """Items for one peer. A batch is sent when it is as large as `batch`, or when its first item has waited for
    `pace.every`.

    While the peer is down, the batch stays at the front and is retried; beyond `held` the oldest items are dropped. The
    begin and the end of an outage are logged once each.
    """

    def __init__(
        self,
        name: str,
        send: Callable[[list[Item]], None],
        dropped: Callable[[int], None],
        log: logging.Logger,
        *,
        held: Bounds,
        batch: Bounds,
        pace: Pace = USUAL,
    ) -> None:
        """`name` is the name of the peer in `log`. `send` returns when the peer has accepted the items; otherwise
        it raises RetryableFailure or PermanentFailure; any other exception is a bug, and treated as permanent.
        `dropped` is called with the number of lost items."""
        self._name = name
        self._send = send
        self._dropped = dropped
        self._log = log
        self._held = held
        self._batch = batch
        self._pace = pace
        self._waiting: deque[tuple[Item, int]] = deque()
        self._waiting_size = 0
        # Items that are being sent are not in the queue, so they are not dropped for new ones, but still count.
        self._away: list[tuple[Item, int]] = []
        self._away_size = 0
        self._enough = Signal()
        self._closing = Signal()
        self._closed = False
        self._pause = 0.0
        self._logged: set[type[Exception]] = set()
        self._lost = 0
        self._sender: gevent.Greenlet[[], None] | None = None

    def start(self) -> None:
        """Start sending; items that were added before come first."""
        self._sender = gevent.spawn(self._keep_sending)

    def close(self, deadline: float) -> None:
        """Send what is left, unless it fails, and stop by `deadline`, a monotonic time. The rest is dropped."""
        self._closing.set()
        self._enough.set()
        if self._sender is not None:
            self._sender.join(max(0.0, deadline - monotonic()))
            self._sender.kill(timeout=0.1)
        self._closed = True
        left = len(self)
        if left:
            self._clear()
            self._drop(left)
            self._log.warning("%s: stopped with %d not delivered", self._name, left)

    def __len__(self) -> int:
        """The number of items, including those that are being sent."""
        return len(self._waiting) + len(self._away)

    def put(self, item: Item, size: int) -> None:
        """Add `item` of about `size` bytes. Never waits, never raises: if the queue is full, the oldest is dropped."""
        if self._closed:
            self._drop(1)
            return
        self._waiting.append((item, size))
        self._waiting_size += size
        waiting = len(self._waiting)
        if waiting + len(self._away) > self._held.items or self._waiting_size + self._away_size > self._held.size:
            self._make_room()
        if waiting >= self._batch.items or self._waiting_size >= self._batch.size:
            self._enough.set()

    def _make_room(self) -> None:
        before = len(self._waiting)
        while self._waiting and (
            len(self) > self._held.items or self._waiting_size + self._away_size > self._held.size
        ):
            self._waiting_size -= self._waiting.popleft()[1]
        self._drop(before - len(self._waiting))

    def _drop(self, count: int) -> None:
        self._lost += count
        self._dropped(count)

    def _clear(self) -> None:
        self._waiting.clear()
        self._away.clear()
        self._waiting_size = self._away_size = 0

    def _keep_sending(self) -> None:
        while True:
            last = self._closing.is_set()
            try:
                self._send_waiting()
            except Exception:
                self._log.exception("%s: not sent", self._name)  # a bug; continue to send
            if last or (self._pause and self._closing.is_set()):
                return  # no retry after a failure during the stop: the next part needs time too
            if self._pause:
                self._closing.wait(self._pause)
            else:
                self._enough.wait(self._pace.every)

    def _send_waiting(self) -> None:
        """Send the current items; those that are added meanwhile become another batch."""
        self._enough.clear()
        waiting = len(self._waiting)
        while waiting > 0 and self._waiting:
            self._take()
            waiting -= len(self._away)
            if not self._send_away():
                return

    def _take(self) -> None:
        while self._waiting and len(self._away) < self._batch.items:
            size = self._waiting[0][1]
            if self._away and self._away_size + size > self._batch.size:
                return
            self._away.append(self._waiting.popleft())
            self._away_size += size
            self._waiting_size -= size

    def _send_away(self) -> bool:
        """Send a batch. False if it was put back to the front for a retry."""
        try:
            self._send([item for item, _ in self._away])
        except RetryableFailure as error:
            self._put_back()
            self._pause = min(self._pause * 2, self._pace.last_retry) or self._pace.first_retry
            if self._is_news(error):
                self._log.warning("%s: cannot be delivered (%s), retrying", self._name, error)
            return False
        except PermanentFailure as error:
            self._give_up()
            if self._is_news(error):
                self._log.warning("%s: refused by the receiver (%s), dropped", self._name, error)
        except Exception as error:
            self._give_up()
            if self._is_news(error):
                self._log.exception("%s: a batch could not be encoded and is dropped", self._name)
        else:
            self._forget_away()
            if self._logged:
                self._log.info("%s: delivered again, %d were dropped", self._name, self._lost)
            self._logged.clear()
            self._lost = 0
        self._pause = 0.0
        return True

    def _is_news(self, error: Exception) -> bool:
        """Whether this type of fault has not been logged since the last delivery."""
        if type(error) in self._logged:
            return False
        self._logged.add(type(error))
        return True

    def _put_back(self) -> None:
        self._waiting.extendleft(reversed(self._away))
        self._waiting_size += self._away_size
        self._forget_away()

    def _give_up(self) -> None:
        count = len(self._away)
        self._forget_away()
        self._drop(count)

    def _forget_away(self) -> None:
        self._away = []
        self._away_size = 0
