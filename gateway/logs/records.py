"""Formats records of `logging`, the gateway's and those of libraries, as log lines.

The fields of a line are listed where it is logged. A record of a library keeps its message; of an exception, only type
and place are logged, because its text may quote a header or a URL.
"""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

from gunicorn.glogging import Logger
from pythonjsonlogger.core import BaseJsonFormatter, LogData

from gateway.clock import timestamp
from gateway.logs.lines import ORIGIN, encode_line
from gateway.logs.relay import Relay
from gateway.logs.writer import LEVELS, LogWriter
from gateway.scope import serving

_NAMES = {"CRITICAL": "error", "WARNING": "warn"}
# Libraries that log details at debug and info: headers, URLs, retries.
_QUIET = ("urllib3", "requests", "authlib", "flask_cors", "werkzeug", "gevent", "asyncio", "joserfc")


def level_of(record: logging.LogRecord) -> str:
    """The name of a record's level in log lines."""
    return _NAMES.get(record.levelname) or record.levelname.lower()


class JsonFormatter(BaseJsonFormatter):
    """A log record as the fields of a line, with the trace id of the current request."""

    def add_fields(self, log_data: LogData, record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        log_data["timestamp"] = timestamp()
        log_data["level"] = level_of(record)
        log_data.update(ORIGIN)
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
    """Writes each record as one line. `relay` takes lines from here to workers, if there is one."""

    def __init__(self, lines: LogWriter, relay: Relay | None = None) -> None:
        super().__init__()
        self.lines = lines
        self.relay = relay
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record).encode()
        except Exception:  # logging's own handleError prints it to standard error, which may block
            self.lines.write("error", "a log record could not be formatted", logger=record.name)
            return
        self.lines.emit(line, level_of(record), record.name)


def configure(level: str, dropped: Callable[[int], None] = lambda count: None) -> LogWriter:
    """Send every record from `level` (debug, info, warn, error) on, of all loggers, to standard output. `dropped`: see
    LogWriter."""
    lines = LogWriter(level, dropped)
    root = logging.getLogger()
    root.handlers[:] = [StdoutHandler(lines)]
    root.setLevel(LEVELS[level])
    logging.captureWarnings(True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # gunicorn's handler came with the fork: from here on its lines go the way of ours. The master has no app and never
    # comes here: what it says is on standard output and in its relay.
    for handler in _of_gunicorn():
        handler.lines = lines
    return lines


def masters_relay() -> Relay | None:
    """The relay of the gunicorn master that this process was forked from."""
    return next((handler.relay for handler in _of_gunicorn()), None)


def _of_gunicorn() -> list[StdoutHandler]:
    return [found for found in logging.getLogger("gunicorn.error").handlers if isinstance(found, StdoutHandler)]


class GunicornLogger(Logger):
    """gunicorn's own lines in the same format; requests have the gateway's line, not gunicorn's."""

    def setup(self, cfg: Any) -> None:
        relay = masters_relay() or Relay()  # a reload sets up again; workers that end use the one that they have
        super().setup(cfg)
        lines = LogWriter()
        lines.also(relay.put)
        self.error_log.handlers[:] = [StdoutHandler(lines, relay)]
        self.error_log.propagate = False

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """The gateway writes one line per request itself."""
