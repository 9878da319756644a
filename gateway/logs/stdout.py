"""Standard output that never blocks the process that writes to it, whatever is behind it.

O_NONBLOCK belongs to the open file description, which all workers, the master and whoever started them share: it is
not ours to set. What serves instead depends on what standard output is:

- a pipe or a terminal is opened once more through /proc: a description of our own on the same pipe, not blocking;
- a socket (journald's) has the flag per call, MSG_DONTWAIT;
- a file, or a pipe that may not be opened again, is written to by a thread.

What can not be written at once waits, up to STDOUT_QUEUE_BYTES; what comes then is lost, and counted by who writes.
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
"""Of lines that wait for their reader, per worker: some thousands."""

STDOUT = 1

Send = Callable[[bytes], int]
"""Writes what it can of some bytes and returns how many. BlockingIOError where that is none now, another OSError where
it will never be any."""


class Output(Protocol):
    """Where whole lines go."""

    def write(self, lines: bytes) -> int:
        """Write them now or later; how many lines were lost since the last call. Never waits, never raises. Without
        any (`b""`) it goes on with what waits."""

    @property
    def waiting(self) -> bool:
        """Whether something is not written yet."""

    def close(self) -> None:
        """Write no more: what waits is lost."""


class QueuedOutput:
    """Writes at once what `send` takes, and keeps the rest in order."""

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
        if self._queue and self._owner != os.getpid():  # a fork: what waits is the parent's to write
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
        """Write what is taken; how many lines can not be written ever."""
        lost = 0
        while self._queue:
            lines = self._queue[0]
            try:
                sent = self._send(lines)
            except BlockingIOError:
                break
            except OSError:  # nobody reads any more, the disk is full
                lost += lines.count(b"\n")
                sent = len(lines)
            self._size -= sent
            if sent < len(lines):
                self._queue[0] = lines[sent:]
            else:
                self._queue.popleft()
        return lost


class ThreadOutput:
    """Writes in a thread of the system's, so that a file system that hangs stops nobody else."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._taken = self._done = 0
        self._lost: deque[int] = deque()
        # gevent's own would run in the loop that this thread is to keep free.
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
        """The thread ends after what it has; nobody waits for it."""
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
    """The way to write to `file` that does not block. `threads`: whether a thread may be used; without one, what would
    need it is written when it says that it can be."""
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
    """None where it may not be opened again: it is another user's, or nobody reads it."""
    try:
        own = os.open(f"/proc/self/fd/{file}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
    return QueuedOutput(lambda lines: os.write(own, lines), lambda: os.close(own))


def _to_socket(file: int) -> QueuedOutput:
    own = monkey.get_original("socket", "socket")(fileno=os.dup(file))
    return QueuedOutput(lambda lines: int(own.send(lines, socket.MSG_DONTWAIT)), own.close)


def _when_writable(file: int) -> Send:
    """A pipe that says so takes PIPE_BUF bytes, unless another writer is quicker."""
    select: Any = monkey.get_original("select", "poll")()
    select.register(file, 4)  # POLLOUT

    def send(lines: bytes) -> int:
        if not select.poll(0):
            raise BlockingIOError
        return os.write(file, lines)

    return send
