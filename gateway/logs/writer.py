"""Writes log lines to standard output, and copies them to other receivers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import gevent

from gateway.clock import timestamp
from gateway.logs.lines import LOG_LINE_BYTES, ORIGIN, encode_line
from gateway.logs.relay import Receive
from gateway.logs.stdout import Output, open_output

log = logging.getLogger("gateway.logs")

HELD_SECONDS = 0.05
LAST_SECONDS = 1.0
"""The time for standard output to accept queued lines when the worker stops."""

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
_URGENT = frozenset({"warn", "error"})


def _ignore(count: int) -> None:
    """Counts nothing."""


class LogWriter:
    """Standard output. Once started it writes several lines at once, as many as fit LOG_LINE_BYTES, at most
    HELD_SECONDS after the first one: a write per line would wake the reader each time (200 us a request under load).
    Warnings and errors are written immediately, together with the lines before them."""

    def __init__(self, level: str = "debug", dropped: Callable[[int], None] = _ignore) -> None:
        """`level`: lines below it are not written. `dropped` is called with the number of lines that stdout did
        not accept, if there are any."""
        self.levels = frozenset(name for name, number in LEVELS.items() if number >= LEVELS[level])
        """Those that are written."""
        self._dropped = dropped
        self._held = bytearray()
        self._timer: Any = None
        """Has held lines written; None while each is written at once."""
        self._output: Output | None = None
        self._lost = 0
        self._retries = False
        self._copy: Receive | None = None
        self._copy_later: Receive | None = None
        self._not_copied = ""

    def also(self, copy: Receive, *, but: str = "", later: Receive | None = None) -> None:
        """Pass each line from now on to `copy` too, and to `later` after `close`. Except those of the logger `but`,
        which reports the failures of `copy`."""
        self._copy = copy
        self._copy_later = later
        self._not_copied = but

    def start(self) -> None:
        """Start collecting lines; needs gevent's loop."""
        self._timer = gevent.get_hub().loop.timer(HELD_SECONDS)
        self._write_to(open_output(threads=True))

    def close(self, deadline: float) -> None:
        """Write the held lines, and from now on each line at once; the receiver of copies has stopped."""
        self._copy = self._copy_later
        self.flush()
        due = min(deadline, time.monotonic() + LAST_SECONDS)
        while self._output is not None and self._output.waiting and time.monotonic() < due:
            gevent.sleep(0.01)
            self._deliver(b"")
        if self._timer is not None:
            self._timer.close()
            self._timer = None
        self.flush()  # what came meanwhile
        self._write_to(open_output(threads=False))

    def write(self, level: str, message: str, **fields: Any) -> None:
        """Write one line without `logging` (60 us a line there, 5 here)."""
        if level in self.levels:
            begin = {"timestamp": timestamp(), "level": level, **ORIGIN, "message": message}
            self.put(level, begin | fields)

    def put(self, level: str, fields: dict[str, Any]) -> None:
        """Write one line, of one of `levels`."""
        self.emit(encode_line(fields), level)

    def emit(self, line: bytes, level: str, logger: str | None = None) -> None:
        """Write an encoded line, at once or with the next."""
        if self._copy is not None and logger != self._not_copied:
            self._copy(time.time_ns(), level, line)
        if len(self._held) + len(line) > LOG_LINE_BYTES:
            self.flush()
        self._held += line
        if level in _URGENT or self._timer is None:
            self.flush()
        elif not self._timer.active:  # one for all: a greenlet for the first line of each write would be 5 us a request
            self._timer.start(self.flush)

    def flush(self) -> None:
        """Write the held lines."""
        if self._held:
            held, self._held = self._held, bytearray()
            self._deliver(bytes(held))

    def _write_to(self, output: Output) -> None:
        if self._output is not None:
            self._output.close()
        self._output = output

    def _deliver(self, lines: bytes) -> None:
        if self._output is None:
            self._output = open_output(threads=False)
        lost = self._output.write(lines)
        if lost:
            self._lost += lost
            self._dropped(lost)
        if self._output.waiting:
            self._retry_later()
        elif self._lost and not lost:
            self._report_lost()

    def _report_lost(self) -> None:
        count, self._lost = self._lost, 0
        log.warning("Log: standard output accepts lines again, %d were dropped", count)

    def _retry_later(self) -> None:
        if self._timer is not None and not self._retries:
            self._retries = True
            gevent.spawn_later(HELD_SECONDS, self._retry)

    def _retry(self) -> None:
        self._retries = False
        self._deliver(b"")
