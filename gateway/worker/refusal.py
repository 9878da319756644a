"""What is answered where there is no request that an app could answer: the parser's refusals, and faults on the way."""

from __future__ import annotations

import socket
from collections.abc import Mapping

import orjson
from gunicorn import util
from gunicorn.http import errors as parsing
from gunicorn.http import wsgi

from gateway import errors
from gateway.scope import new_trace_id

# What the parser refuses, by the first class that fits; everything else it raises is a 400.
_REFUSALS: tuple[tuple[type[Exception], int], ...] = (
    (parsing.LimitRequestLine, 414),
    (parsing.LimitRequestHeaders, 431),
    (parsing.UnsupportedTransferCoding, 501),
    (parsing.InvalidRequestMethod, 501),
    (parsing.ExpectationFailed, 417),
    (TimeoutError, 408),
)


def status_of(refusal: Exception) -> int:
    """The status that a refusal of the parser's is answered with."""
    return next((status for kind, status in _REFUSALS if isinstance(refusal, kind)), 400)


def write_error(client: socket.socket, status: int) -> str:
    """Answer with our one error body, and say that the connection ends; the trace id that it names."""
    trace_id = new_trace_id()
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
