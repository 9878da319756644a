"""A bounded queue whose items leave in batches, in order, by one greenlet; whoever fills it never waits."""

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
    """Items on their way to one peer. A batch goes out when it is as large as `batch`, else when its first item has
    waited for `pace.every`.

    While the peer is away the batch stays at the front and is tried again and again; of more than `held` the oldest
    are dropped. An outage is one line in the log, its end another.
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
        """`name` is the peer in the lines of `log`. `send` returns when the peer has the items, else raises
        RetryableFailure or PermanentFailure; anything else it raises is a bug, and as hopeless. `dropped` is told how
        many items were lost."""
        self._name = name
        self._send = send
        self._dropped = dropped
        self._log = log
        self._held = held
        self._batch = batch
        self._pace = pace
        self._waiting: deque[tuple[Item, int]] = deque()
        self._waiting_size = 0
        # What is being sent is out of the queue, so that making room can not touch it, and counts all the same.
        self._away: list[tuple[Item, int]] = []
        self._away_size = 0
        self._enough = Signal()
        self._closing = Signal()
        self._closed = False
        self._pause = 0.0
        self._told: set[type[Exception]] = set()
        self._lost = 0
        self._sender: gevent.Greenlet[[], None] | None = None

    def start(self) -> None:
        """Begin to send; what was put before goes first."""
        self._sender = gevent.spawn(self._keep_sending)

    def close(self, deadline: float) -> None:
        """Send what is left, as long as it is taken, and end by `deadline`, a monotonic time. The rest is dropped."""
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
        """How many are here, those that are being sent included."""
        return len(self._waiting) + len(self._away)

    def put(self, item: Item, size: int) -> None:
        """Take `item` of about `size` bytes. At once, and never an error: where there is no room the oldest goes."""
        if self._closed:
            self._drop(1)
            return
        self._waiting.append((item, size))
        self._waiting_size += size
        if len(self) > self._held.items or self._waiting_size + self._away_size > self._held.size:
            self._make_room()
        if len(self._waiting) >= self._batch.items or self._waiting_size >= self._batch.size:
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
                self._log.exception("%s: not sent", self._name)  # a bug; sending goes on all the same
            if last or (self._pause and self._closing.is_set()):
                return  # a try that failed while the end began was the last one: who closes next needs time too
            if self._pause:
                self._closing.wait(self._pause)
            else:
                self._enough.wait(self._pace.every)

    def _send_waiting(self) -> None:
        """Send what is here now, and not what comes meanwhile: that makes a batch of its own."""
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
        """Send what was taken. False where it is back at the front, to be tried again."""
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
            if self._told:
                self._log.info("%s: delivered again, %d were dropped", self._name, self._lost)
            self._told.clear()
            self._lost = 0
        self._pause = 0.0
        return True

    def _is_news(self, error: Exception) -> bool:
        """Whether this kind of fault was not told yet since something was last delivered."""
        if type(error) in self._told:
            return False
        self._told.add(type(error))
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
