"""The connections of a worker: how many there may be, and which of them ask for nothing just now."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from time import monotonic

import gevent.socket
from gevent.pool import Pool

RESERVED = 100
"""Places kept free, a tenth of few: with fewer, each new connection and request closes the one that waits longest."""


class Waiting(Enum):
    """What a connection that asks for nothing waits for."""

    FIRST = "its first request"
    NEXT = "another request"
    HEAD = "the end of a request's head, or of TLS's handshake"
    END = "the client's end, all being said"


class Places:
    """Room for `size` connections at once. Nobody can keep others out by holding connections open."""

    def __init__(self, size: int) -> None:
        self.pool = Pool(size)
        self.waiting: dict[socket.socket, tuple[float, Waiting]] = {}
        """Since when, a monotonic time, and for what; in the order in which they began to wait."""
        self._reserved = min(RESERVED, -(-size // 10))

    def __len__(self) -> int:
        return len(self.pool)

    def make_room(self) -> None:
        """Close the connection that waits longest, where few places are left."""
        if self.pool.free_count() < self._reserved:
            self.close_longest()

    def close_longest(self) -> None:
        """Close the connection that waits longest, if there is one."""
        for client in self.waiting:
            del self.waiting[client]
            _shut(client, socket.SHUT_RDWR)
            return

    def close_late(self, seconds: Mapping[Waiting, float]) -> None:
        """Close connections that wait for longer than they may. One look for all: a timer for each wait is 10 us. What
        has come already is still read."""
        now = monotonic()
        for client, (since, what) in list(self.waiting.items()):
            if now - since > seconds[what]:
                _shut(client, socket.SHUT_RD)

    def end(self) -> None:
        """End all connections, whatever is under way."""
        self.pool.kill(timeout=1.0)


def _shut(client: socket.socket, how: int) -> None:
    """Wake whoever waits for the client. TLS is not told: it would forget its state under the one that reads."""
    with suppress(OSError):
        gevent.socket.socket.shutdown(client, how)
