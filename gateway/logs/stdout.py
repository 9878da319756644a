"""Non-blocking standard output, regardless of its type.

O_NONBLOCK belongs to the open file description, which all workers, the master and their parent share, so the gateway
must not set it. The alternative depends on the type of standard output:

- a pipe or a terminal is opened again through /proc, which creates a separate, non-blocking description of it;
- for a socket (journald) the flag is set per call, with MSG_DONTWAIT;
- a file, or a pipe that cannot be opened again, is written by a thread.

Lines that cannot be written at once are queued, up to STDOUT_QUEUE_BYTES; further ones are lost, and counted by the
caller.
"""

from __future__ import annotations

import os
import socket
import stat
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from gevent import monkey

STDOUT_QUEUE_BYTES = 1 << 20
"""The maximum of queued lines per worker: some thousands of lines."""

STDOUT = 1

Send = Callable[[bytes], int]
"""Writes a part of some bytes and returns its length. Raises BlockingIOError if nothing can be written now, another
OSError if it never can."""


class Output(Protocol):
    """A destination of complete lines."""

    def write(self, lines: bytes) -> int:
        """Write lines now or later; the number of lines lost since the last call. Never waits, never raises. With
        `b""` it only continues with queued lines."""

    @property
    def waiting(self) -> bool:
        """Whether lines are queued."""

    def close(self) -> None:
        """Stop writing: queued lines are lost."""


class QueuedOutput:
    """Writes at once what `send` accepts, and queues the rest in order."""

    def __init__(self, send: Send, close: Callable[[], object] = lambda: None) -> None:
        self._send = send
        self._close = close
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._owner = os.getpid()

    @property
    def waiting(self) -> bool:
        return bool(self._queue)

    def write(self, lines: bytes) -> int:
        if self._queue and self._owner != os.getpid():  # after a fork: the parent writes the queued lines
            self._queue.clear()
            self._size, self._owner = 0, os.getpid()
        lost = 0
        if lines:
            if self._size + len(lines) > STDOUT_QUEUE_BYTES:
                lost = lines.count(b"\n")
            else:
                self._queue.append(lines)
                self._size += len(lines)
        return lost + self._drain()

    def close(self) -> None:
        self._close()

    def _drain(self) -> int:
        """Write what is accepted; the number of lines that can never be written."""
        lost = 0
        while self._queue:
            lines = self._queue[0]
            try:
                sent = self._send(lines)
            except BlockingIOError:
                break
            except OSError:  # no reader any more, or the disk is full
                lost += lines.count(b"\n")
                sent = len(lines)
            self._size -= sent
            if sent < len(lines):
                self._queue[0] = lines[sent:]
            else:
                self._queue.popleft()
        return lost


class ThreadOutput:
    """Writes in a native thread, so that a hanging file system blocks nothing else."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._taken = self._done = 0
        self._lost: deque[int] = deque()
        # gevent's thread would run in the loop that must not block.
        self._queue: Any = monkey.get_original("queue", "SimpleQueue")()
        monkey.get_original("_thread", "start_new_thread")(self._work, ())

    @property
    def waiting(self) -> bool:
        return self._taken != self._done

    def write(self, lines: bytes) -> int:
        if self._taken - self._done + len(lines) > STDOUT_QUEUE_BYTES:
            self._lost.append(lines.count(b"\n"))
        elif lines:
            self._taken += len(lines)
            self._queue.put(lines)
        return sum(self._lost.popleft() for _ in range(len(self._lost)))

    def close(self) -> None:
        """The thread ends after the lines that it has; nothing waits for it."""
        self._queue.put(None)

    def _work(self) -> None:
        while (lines := self._queue.get()) is not None:
            try:
                left = lines
                while left:
                    left = left[os.write(self._file, left) :]
            except OSError:
                self._lost.append(lines.count(b"\n"))
            self._done += len(lines)


def open_output(*, threads: bool, file: int = STDOUT) -> Output:
    """The non-blocking writer for `file`. `threads`: whether a thread may be used; else such a file is written when
    it reports that it is writable."""
    try:
        mode = os.fstat(file).st_mode
    except OSError:
        mode = 0
    if stat.S_ISSOCK(mode):
        return _to_socket(file)
    if (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)) and (output := _to_pipe(file)) is not None:
        return output
    return ThreadOutput(file) if threads else QueuedOutput(_when_writable(file))


def _to_pipe(file: int) -> QueuedOutput | None:
    """None if it cannot be opened again: it belongs to another user, or has no reader."""
    try:
        own = os.open(f"/proc/self/fd/{file}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
    return QueuedOutput(lambda lines: os.write(own, lines), lambda: os.close(own))


def _to_socket(file: int) -> QueuedOutput:
    own = monkey.get_original("socket", "socket")(fileno=os.dup(file))
    return QueuedOutput(lambda lines: int(own.send(lines, socket.MSG_DONTWAIT)), own.close)


def _when_writable(file: int) -> Send:
    """A writable pipe accepts PIPE_BUF bytes, unless another writer is faster."""
    select: Any = monkey.get_original("select", "poll")()
    select.register(file, 4)  # POLLOUT

    def send(lines: bytes) -> int:
        if not select.poll(0):
            raise BlockingIOError
        return os.write(file, lines)

    return send
