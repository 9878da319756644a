"""Responses without the app: to requests that the parser refuses, and after internal errors."""

from __future__ import annotations

import socket
from collections.abc import Mapping

import orjson
from gunicorn import util
from gunicorn.http import errors as parsing
from gunicorn.http import wsgi

from gateway import errors
from gateway.scope import new_trace_id

# The statuses of the parser's exceptions, by the first class that matches; all others are 400.
_REFUSALS: tuple[tuple[type[Exception], int], ...] = (
    (parsing.LimitRequestLine, 414),
    (parsing.LimitRequestHeaders, 431),
    (parsing.UnsupportedTransferCoding, 501),
    (parsing.InvalidRequestMethod, 501),
    (parsing.ExpectationFailed, 417),
    (TimeoutError, 408),
)


def status_of(refusal: Exception) -> int:
    """The status for an exception of the parser."""
    return next((status for kind, status in _REFUSALS if isinstance(refusal, kind)), 400)


def write_error(client: socket.socket, status: int, trace_id: str | None = None) -> str:
    """Answer with the error body and `Connection: close`; returns the trace id in the body, a new one without a
    `trace_id`."""
    trace_id = trace_id or new_trace_id()
    body = orjson.dumps(errors.body(status, errors.message_of(status), errors.code_of(status), "", trace_id))
    lines: Mapping[str, object] = {
        "Server": wsgi.SERVER,
        "Date": util.http_date(),
        "Connection": "close",
        "Content-Type": "application/json",
        "Content-Length": len(body),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Vary": "Origin",
    }
    head = f"HTTP/1.1 {status} {errors.reason(status)}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
    client.settimeout(2.0)
    client.sendall(head.encode() + b"\r\n" + body)
    return trace_id
