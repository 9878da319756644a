"""Errors that nobody catches, as lines of the log.

Python and gevent print them to standard error: that is no JSON, quotes what an exception says, and blocks the worker
where nobody reads it.
"""

from __future__ import annotations

import logging
import sys
import threading
from types import TracebackType
from typing import Any, cast

import gevent

log = logging.getLogger("gateway")


class Uncaught:
    """Logs what a greenlet, a thread, a finalizer or the interpreter itself would print, from `start` to `close`."""

    def start(self) -> None:
        """Begin; needs gevent's hub."""
        self._before = sys.excepthook, sys.unraisablehook, threading.excepthook
        self._hub = cast(Any, gevent.get_hub())
        sys.excepthook = _log
        sys.unraisablehook = lambda found: _log(found.exc_type, found.exc_value, found.exc_traceback)
        threading.excepthook = lambda found: self._from_thread(found.exc_type, found.exc_value, found.exc_traceback)
        self._hub.print_exception = lambda context, kind, error, trace: _log(kind, error, trace)

    def close(self, deadline: float) -> None:
        """End."""
        sys.excepthook, sys.unraisablehook, threading.excepthook = self._before
        del self._hub.print_exception

    def _from_thread(self, kind: Any, error: BaseException | None, trace: TracebackType | None) -> None:
        """The log belongs to the thread of the hub."""
        self._hub.loop.run_callback_threadsafe(_log, kind, error, trace)


def _log(kind: Any, error: BaseException | None, trace: TracebackType | None) -> None:
    log.error("unexpected error in the background", exc_info=(kind, error or kind(), trace))
