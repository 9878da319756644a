"""One log line as bytes: JSON, its newline, at most LOG_LINE_BYTES."""

from __future__ import annotations

import os
from typing import Any

import orjson

LOG_LINE_BYTES = 4096
"""The workers share one pipe, and a pipe never splits a write of up to this size (Linux's PIPE_BUF)."""

SERVICE = "api-gateway"

ORIGIN: dict[str, Any] = {"service": SERVICE, "host": os.uname().nodename, "pid": os.getpid()}
"""The fields of each line that say which process wrote it."""

os.register_at_fork(after_in_child=lambda: ORIGIN.update(pid=os.getpid()))

_NEWLINE = orjson.OPT_APPEND_NEWLINE


def encode_line(fields: dict[str, Any]) -> bytes:
    """One line of JSON with its newline, at most LOG_LINE_BYTES: long strings are truncated, to ever shorter limits."""
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
    except TypeError:  # a lone surrogate, as in names of the file system
        plain = {name: str(value).encode("utf-8", "replace").decode() for name, value in fields.items()}
        return orjson.dumps(plain, option=_NEWLINE)
