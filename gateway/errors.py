"""Every error the gateway answers with: one tree, one body.

A leaf is a status and a sentence. What a service answers itself (its own 4xx and 5xx) is no error of ours and never
comes through here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from time import time
from types import MappingProxyType

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})

# RFC 9110 section 15 renamed two phrases that older Pythons still carry.
# 499 is nginx's name for a client that left; no client ever reads it, the log does.
_RENAMED = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
    499: "Client Closed Request",
}


def reason(status: int) -> str:
    """The reason phrase of RFC 9110 section 15 (RFC 6585, RFC 5842 for 429, 431, 508) of a status code."""
    return _RENAMED.get(status) or HTTPStatus(status).phrase


def timestamp() -> str:
    """Now, as UTC ISO 8601 with milliseconds and `Z`."""
    now = time()
    second = int(now)
    return f"{_second(second)}.{int((now - second) * 1000):03}Z"


@lru_cache(maxsize=2)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()[:-6]


def body(status: int, message: str, path: str, trace_id: str) -> dict[str, object]:
    """The one JSON body of every error answer. `path` has no query."""
    return {
        "statusCode": status,
        "message": message,
        "error": reason(status),
        "timestamp": timestamp(),
        "path": path,
        "traceId": trace_id,
    }


class StartFault(Exception):
    """A worker can not begin as the machine is; the message says what to do."""


class GatewayError(Exception):
    """An answer that is an error: `status`, `message` (what the client reads) and extra `headers`."""

    status = 500
    message = "Internal server error"

    def __init__(self, message: str | None = None, headers: Mapping[str, str] = _NO_HEADERS) -> None:
        if message is not None:
            self.message = message
        self.headers = headers
        super().__init__(self.message)


class BadRequest(GatewayError):
    status = 400
    message = "Bad request"


class Unauthorized(GatewayError):
    """401 with the challenge of RFC 6750 section 3: without credentials it names no error code."""

    status = 401
    message = "Unauthorized"

    def __init__(self, code: str | None = None, message: str | None = None) -> None:
        """`code` is RFC 6750's error code ("invalid_token") or None where no credentials came."""
        challenge = "Bearer" if code is None else f'Bearer error="{code}"'
        super().__init__(message, {"WWW-Authenticate": challenge})


class Forbidden(GatewayError):
    status = 403
    message = "Forbidden"


class NotFound(GatewayError):
    status = 404
    message = "Not found"


class MethodNotAllowed(GatewayError):
    status = 405
    message = "Method not allowed"

    def __init__(self, allowed: str) -> None:
        """`allowed`: the value of Allow (RFC 9110 section 10.2.1)."""
        super().__init__(headers={"Allow": allowed})


class UnsupportedMediaType(GatewayError):
    status = 415
    message = "Unsupported Media Type"


class RequestTimeout(GatewayError):
    status = 408
    message = "Request Timeout"


class PayloadTooLarge(GatewayError):
    status = 413
    message = "Payload too large"


class TooManyRequests(GatewayError):
    status = 429
    message = "Too many requests"

    def __init__(self, retry_after: int) -> None:
        """`retry_after`: seconds until the rate limit lets the next one through."""
        super().__init__(headers={"Retry-After": str(retry_after)})


class ClientLeft(GatewayError):
    """The client closed its connection before the answer."""

    status = 499
    message = "Client closed request"


class NotImplementedHere(GatewayError):
    status = 501
    message = "Not Implemented"


class LoopDetected(GatewayError):
    status = 508
    message = "Loop Detected"


class BadGateway(GatewayError):
    status = 502
    message = "Bad gateway"


class ServiceUnavailable(GatewayError):
    status = 503
    message = "Service unavailable"

    def __init__(self, retry_after: int = 1) -> None:
        """`retry_after`: seconds after which a new try makes sense."""
        super().__init__(headers={"Retry-After": str(max(1, retry_after))})


class GatewayTimeout(GatewayError):
    status = 504
    message = "Gateway timeout"


# What the client reads where a status comes from the framework or the HTTP parser.
MESSAGES: Mapping[int, str] = MappingProxyType(
    {
        400: BadRequest.message,
        404: NotFound.message,
        405: MethodNotAllowed.message,
        413: PayloadTooLarge.message,
        414: "URI too long",
        431: "Request header fields too large",
        500: GatewayError.message,
    }
)


def message(status: int) -> str:
    """The client's sentence for a status that carries none of its own."""
    return MESSAGES.get(status) or reason(status)


def drop_traceback(error: BaseException) -> None:
    """Take an error's frames from it, and from those it came of: they hold the request, and the request the error, so
    that both would wait for the garbage collector."""
    found: BaseException | None = error
    while found is not None:
        found.__traceback__ = None
        found.__context__, found = None, found.__context__
