"""Takes lines of processes without engines to a worker that has them: gunicorn's master, and workers that start or end.

Only a worker with a loop can deliver lines to Loki. The master makes a pair of sockets before it forks: whichever
worker reads a line first delivers it. Standard output does not depend on it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress

import gevent
from gevent.os import nb_read

MESSAGE_BYTES = 8192
"""More than a line and what is said about it."""

Receive = Callable[[int, str, bytes], None]
"""Takes a line: its time (nanoseconds since 1970), its level, its bytes with the newline."""

ReceiveOf = Callable[[int, str, bytes, int], None]
"""The same with the process that wrote it."""


class Relay:
    """Some hundred lines that no worker has read yet; beyond that they are lost to Loki."""

    def __init__(self) -> None:
        pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for one in pair:
            one.setblocking(False)
        self._reads, self._writes = (one.detach() for one in pair)

    def put(self, at: int, level: str, line: bytes) -> None:
        """Pass a line on. Never waits, never raises."""
        with suppress(OSError):
            os.write(self._writes, b"%d %b %d %b" % (at, level.encode(), os.getpid(), line))

    def take(self) -> tuple[int, str, bytes, int]:
        """The next line, and the process that wrote it; waits for it."""
        at, level, pid, line = nb_read(self._reads, MESSAGE_BYTES).split(b" ", 3)
        return int(at), level.decode(), line, int(pid)


class RelayReader:
    """Delivers the lines of a relay to `receive` from `start` to `close`."""

    def __init__(self, relay: Relay, receive: ReceiveOf) -> None:
        self._relay = relay
        self._receive = receive

    def start(self) -> None:
        self._reader = gevent.spawn(self._read)

    def close(self, deadline: float) -> None:
        """Lines that are left are for another worker."""
        self._reader.kill()

    def _read(self) -> None:
        while True:
            self._receive(*self._relay.take())
