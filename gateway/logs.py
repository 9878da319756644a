"""Log lines: one JSON object each, on standard output, one `write` of at most 4,096 bytes.

The workers share one pipe, and a pipe keeps a write of up to 4,096 bytes whole (POSIX `PIPE_BUF`). What is logged is
listed where it is logged; a record of another library keeps its message, and of an exception its type and place: an
exception's own words may quote a header or a URL.
"""

from __future__ import annotations

import logging
import os
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

import gevent
import orjson
from gunicorn.glogging import Logger
from pythonjsonlogger.core import BaseJsonFormatter, LogData

from gateway.clock import timestamp
from gateway.scope import serving

LOG_LINE_BYTES = 4096
HELD_SECONDS = 0.05
SERVICE = "api-gateway"
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
_URGENT = frozenset({"warn", "error"})
_NAMES = {"CRITICAL": "error", "WARNING": "warn"}
# Libraries that tell their own story at debug and info: headers, URLs, retries.
_QUIET = ("urllib3", "requests", "authlib", "flask_cors", "werkzeug", "gevent", "asyncio", "joserfc")


_NEWLINE = orjson.OPT_APPEND_NEWLINE


def encode_line(fields: dict[str, Any]) -> bytes:
    """A line of JSON with its newline, of at most LOG_LINE_BYTES: longer strings are cut, the longest limit first."""
    line = _dump(fields)
    room = 1024
    while len(line) > LOG_LINE_BYTES and room:
        fields = {name: _cut(value, room) for name, value in fields.items()}
        line = _dump(fields)
        room //= 2
    return line


def _cut(value: Any, room: int) -> Any:
    return value[:room] + "…" if isinstance(value, str) and len(value) > room else value


def _dump(fields: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(fields, str, _NEWLINE)
    except TypeError:  # a lone surrogate, as the file system's names have them
        plain = {name: str(value).encode("utf-8", "replace").decode() for name, value in fields.items()}
        return orjson.dumps(plain, option=orjson.OPT_APPEND_NEWLINE)


class LogWriter:
    """Standard output. Once started it writes several lines at once, as many as fit LOG_LINE_BYTES, HELD_SECONDS after
    the first at the latest: a write of its own for each wakes the reader each time (200 us a request under load). What
    is urgent is written at once, with what came before it."""

    def __init__(self, level: str = "debug") -> None:
        """`level`: what is less is not written."""
        self._from = _LEVELS[level]
        self._held = bytearray()
        self._gathers = False
        self._copy: Callable[[int, str, bytes], None] | None = None
        self._not_copied = ""

    def also(self, copy: Callable[[int, str, bytes], None], *, but: str) -> None:
        """Hand each line from now on to `copy` too: when it was written (nanoseconds since 1970), its level, its bytes
        with the newline. Not those of the logger `but`, who tells what is wrong with `copy`."""
        self._copy = copy
        self._not_copied = but

    def start(self) -> None:
        """Begin to gather lines; needs gevent's loop."""
        self._gathers = True

    def close(self, deadline: float) -> None:
        """Write what is held, and from now on each line at once, here alone: who took a copy has ended."""
        self._gathers = False
        self._copy = None
        self.flush()

    def write(self, level: str, message: str, **fields: Any) -> None:
        """Write one line past `logging` (60 us a line there, 5 here)."""
        if self.wants(level):
            begin = {"timestamp": timestamp(), "level": level, "service": SERVICE, "message": message}
            self.put(level, begin | fields)

    def put(self, level: str, fields: dict[str, Any]) -> None:
        """Write one line of a level that is wanted."""
        line = _dump(fields)
        self.emit(line if len(line) <= LOG_LINE_BYTES else encode_line(fields), level)

    def wants(self, level: str) -> bool:
        """Whether lines of this level are written."""
        return _LEVELS[level] >= self._from

    def emit(self, line: bytes, level: str, logger: str | None = None) -> None:
        """Write an encoded line, at once or with the next."""
        if self._copy is not None and logger != self._not_copied:
            self._copy(time.time_ns(), level, line)
        if len(self._held) + len(line) > LOG_LINE_BYTES:
            self.flush()
        first = not self._held
        self._held += line
        if level in _URGENT or not self._gathers:
            self.flush()
        elif first:
            gevent.spawn_later(HELD_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what is held."""
        held, self._held = self._held, bytearray()
        # Where nobody reads standard output any more, or it is full and does not block, serving goes on.
        with suppress(OSError):
            if held:
                os.write(1, held)


def level_of(record: logging.LogRecord) -> str:
    """A record's level as our lines name it."""
    return _NAMES.get(record.levelname) or record.levelname.lower()


class JsonFormatter(BaseJsonFormatter):
    """Any log record in the shape of our lines, with the trace id of the request it was written in."""

    def add_fields(self, log_data: LogData, record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        log_data["timestamp"] = timestamp()
        log_data["level"] = level_of(record)
        log_data["service"] = SERVICE
        log_data["message"] = record.getMessage()
        log_data["logger"] = record.name
        extra = {k: v for k, v in record.__dict__.items() if k not in self.reserved_attrs and not k.startswith("_")}
        log_data.update(extra)
        scope = serving()
        if scope is not None:
            log_data["traceId"] = scope.trace_id
        if "exc_info" in message_dict:
            log_data["error"] = message_dict["exc_info"]

    def formatException(  # noqa: N802
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        kind, _, trace = ei
        places = [f"{os.path.basename(f.filename)}:{f.lineno} {f.name}" for f in traceback.extract_tb(trace)]
        return " < ".join([kind.__name__ if kind else "none", *reversed(places)])

    def serialize_log_record(self, log_data: LogData) -> str:
        return encode_line(log_data).decode()


class StdoutHandler(logging.Handler):
    """Writes each record as one line."""

    def __init__(self, lines: LogWriter) -> None:
        super().__init__()
        self.lines = lines
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record).encode()
        except Exception:
            self.handleError(record)
            return
        self.lines.emit(line, level_of(record), record.name)


def configure(level: str) -> LogWriter:
    """Send every record from `level` (debug, info, warn, error) on, of all loggers, to standard output."""
    lines = LogWriter(level)
    root = logging.getLogger()
    root.handlers[:] = [StdoutHandler(lines)]
    root.setLevel(_LEVELS[level])
    logging.captureWarnings(True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # gunicorn's handler came with the fork: from here on its lines go the way of ours, to Loki too. The master has no
    # app and never comes here: what it says is on standard output alone.
    for handler in logging.getLogger("gunicorn.error").handlers:
        if isinstance(handler, StdoutHandler):
            handler.lines = lines
    return lines


class GunicornLogger(Logger):
    """gunicorn's own lines in the same shape; requests have the gateway's line, not gunicorn's."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers[:] = [StdoutHandler(LogWriter())]
        self.error_log.propagate = False

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """The gateway writes one line per request itself."""
