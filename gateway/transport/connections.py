"""One connection to a peer: reading with a deadline, and whether it can be used again."""

from __future__ import annotations

import select
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from time import monotonic
from typing import Any

import gevent
from gevent import monkey
from gevent.select import select as wait_for

from gateway.transport.faults import ResponseTimeout

RETIRE_SECONDS = 60.0
"""The maximum age of a kept connection, so that changes in DNS take effect."""


def unpatched_poll() -> select.poll:
    """A non-blocking poll; gevent's own would wait in the hub."""
    poll: select.poll = monkey.get_original("select", "poll")()
    return poll


@dataclass(slots=True, eq=False)
class Connection:
    """One open connection; its times are monotonic."""

    sock: socket.socket
    retire_at: float = field(default_factory=lambda: monotonic() + RETIRE_SECONDS)
    """It serves no other call after this time."""

    due: float = inf
    """The deadline of the current wait."""

    late: bool = False
    aborted: bool = False
    _poll: select.poll = field(init=False, repr=False)
    _readable: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.sock.settimeout(0.0)  # waits are ours
        self._poll = unpatched_poll()
        self._poll.register(self.sock.fileno(), select.POLLIN)
        self._readable = (
            None if isinstance(self.sock, ssl.SSLSocket) else gevent.get_hub().loop.io(self.sock.fileno(), 1)
        )

    def receive(self, size: int, due: float) -> bytes:
        """Received data; empty only at the peer's clean end of the stream.

        Raises TimeoutError if nothing arrived until `due`, another OSError if the connection was reset, aborted, or
        ended without TLS's close_notify.
        """
        self.due = due
        try:
            if self._readable is not None:
                gevent.get_hub().wait(self._readable)
                data = self.sock.recv(size)
            else:
                data = self._receive_tls(size)
        except BlockingIOError:  # a spurious wake-up
            return self.receive(size, due)
        except OSError:
            if self.late:
                raise TimeoutError from None
            raise
        if not data and self.late:
            raise TimeoutError
        if not data and self.aborted:
            raise ConnectionAbortedError
        return data

    def _receive_tls(self, size: int) -> bytes:
        """Data that TLS has buffered wakes no watcher; the sweeper checks `due`."""
        self.sock.settimeout(None)
        try:
            return self.sock.recv(size)
        finally:
            self.sock.settimeout(0.0)

    def receive_ready(self, size: int) -> bytes | None:
        """Like `receive`, None if nothing has arrived yet."""
        try:
            return self.sock.recv(size)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None

    def send(self, data: bytes, timeout: float) -> int:
        """Send as much as the peer accepts; the number of bytes. Zero if the peer has sent something, or disconnected.
        Raises ResponseTimeout if it accepts nothing for `timeout` seconds."""
        due = monotonic() + timeout
        while True:
            try:
                sent = self.sock.send(data)
                if sent:  # TLS returns nothing if it would block
                    return sent
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                pass
            except OSError:
                return 0  # data that it sent before can still be read
            left = due - monotonic()
            if left <= 0:
                raise ResponseTimeout("the peer does not read")
            readable, _, _ = wait_for([self.sock], [self.sock], [], left)
            if readable:
                return 0

    def close(self) -> None:
        """Close; further data is lost."""
        if self._readable is not None:
            self._readable.close()
        self.sock.close()

    def abort(self) -> None:
        """Abort it while another greenlet waits on it."""
        self.aborted = True
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def expire(self) -> None:
        """Abort it because of a missed deadline."""
        self.late = True
        self.abort()

    def has_input(self) -> bool:
        """Whether there is something to read, including the end."""
        return bool(self._poll.poll(0))  # a third of the cost of recv, which raises if there is nothing

    def is_quiet(self) -> bool:
        """Whether the peer has neither closed it nor sent anything: otherwise it cannot be used for another call."""
        if monotonic() > self.retire_at:
            return False
        if not self._poll.poll(0):
            return True
        if not isinstance(self.sock, ssl.SSLSocket):
            return False
        try:
            return self.receive_ready(1) is None  # a session ticket is not data
        except OSError:
            return False
