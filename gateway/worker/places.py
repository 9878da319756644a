"""The connections of a worker: their maximum, and the idle ones."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from time import monotonic

import gevent.socket
from gevent.pool import Pool

RESERVED = 100
"""Places kept free (a tenth of a small total): below, each new connection or request closes the longest idle one."""


class Waiting(Enum):
    """The reasons why a connection is idle."""

    FIRST = "its first request"
    NEXT = "another request"
    HEAD = "the end of a request's head, or of TLS's handshake"
    END = "the client's end, all being said"


class Places:
    """At most `size` connections at once. Idle clients cannot keep others out."""

    def __init__(self, size: int) -> None:
        self.pool = Pool(size)
        self.waiting: dict[socket.socket, tuple[float, Waiting]] = {}
        """Since when (a monotonic time) and why, in the order in which they became idle."""
        self._full = size - min(RESERVED, -(-size // 10))

    def __len__(self) -> int:
        return len(self.pool)

    def make_room(self) -> None:
        """Close the connection that has been idle longest, if few places are left."""
        if len(self.pool) > self._full:
            self.close_longest()

    def close_longest(self) -> None:
        """Close the connection that has been idle longest, if there is one."""
        for client in self.waiting:
            del self.waiting[client]
            _shut(client, socket.SHUT_RDWR)
            return

    def close_late(self, seconds: Mapping[Waiting, float]) -> None:
        """Close connections that have been idle for too long. One sweep for all: a timer for each costs 10 us. Data
        that has arrived is still read."""
        now = monotonic()
        for client, (since, what) in list(self.waiting.items()):
            if now - since > seconds[what]:
                _shut(client, socket.SHUT_RD)

    def end(self) -> None:
        """Close all connections, even with requests in flight."""
        self.pool.kill(timeout=1.0)


def _shut(client: socket.socket, how: int) -> None:
    """Wake the greenlet that waits for the client. TLS is bypassed: it would drop its state under the reader."""
    with suppress(OSError):
        gevent.socket.socket.shutdown(client, how)
