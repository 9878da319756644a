"""Every error the gateway answers with: one tree, one body.

A leaf is a status and a sentence. What a service answers itself (its own 4xx and 5xx) is no error of ours and never
comes through here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, auto
from http import HTTPStatus
from types import MappingProxyType

from gateway.clock import timestamp

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


class ErrorCode(StrEnum):
    """The stable word of each error, beside its sentence: what a client decides by (catalogued in `docs/errors.md`)."""

    BAD_REQUEST = auto()
    LOGIN_EXPIRED = auto()
    LOGIN_DENIED = auto()
    LOGIN_FAILED = auto()
    TOKEN_MISSING = auto()
    TOKEN_INVALID = auto()
    TOKEN_EXPIRED = auto()
    SESSION_ENDED = auto()
    FOREIGN_ORIGIN = auto()
    ROLE_MISSING = auto()
    FORBIDDEN = auto()
    NOT_FOUND = auto()
    METHOD_NOT_ALLOWED = auto()
    REQUEST_TIMEOUT = auto()
    BODY_TOO_LARGE = auto()
    URI_TOO_LONG = auto()
    UNSUPPORTED_MEDIA_TYPE = auto()
    EXPECTATION_FAILED = auto()
    RATE_LIMITED = auto()
    HEADERS_TOO_LARGE = auto()
    CLIENT_CLOSED_REQUEST = auto()
    INTERNAL_ERROR = auto()
    NOT_IMPLEMENTED = auto()
    SERVICE_UNREACHABLE = auto()
    SERVICE_PROTOCOL_ERROR = auto()
    SERVICE_TIMEOUT = auto()
    BREAKER_OPEN = auto()
    OVERLOADED = auto()
    KEYCLOAK_UNAVAILABLE = auto()
    KEYCLOAK_TIMEOUT = auto()
    KEYCLOAK_ERROR = auto()
    MISCONFIGURED = auto()
    UNAVAILABLE = auto()
    LOOP_DETECTED = auto()


def body(status: int, message: str, code: ErrorCode, path: str, trace_id: str) -> dict[str, object]:
    """The one JSON body of every error answer. `path` has no query."""
    return {
        "statusCode": status,
        "message": message,
        "error": reason(status),
        "code": code,
        "timestamp": timestamp(),
        "path": path,
        "traceId": trace_id,
    }


# RFC 9209 section 2.3: what the gateway answers in a service's place.
PROXY_ERRORS: Mapping[ErrorCode, str] = MappingProxyType(
    {
        ErrorCode.SERVICE_UNREACHABLE: "destination_unavailable",
        ErrorCode.SERVICE_PROTOCOL_ERROR: "http_protocol_error",
        ErrorCode.SERVICE_TIMEOUT: "http_response_timeout",
        ErrorCode.BREAKER_OPEN: "destination_unavailable",
        ErrorCode.OVERLOADED: "connection_limit_reached",
        ErrorCode.LOOP_DETECTED: "proxy_loop_detected",
    }
)


class StartFault(Exception):
    """A worker can not begin as the machine is; the message says what to do."""


class GatewayError(Exception):
    """An answer that is an error: `status`, `message` and `code` (what the client reads), and extra `headers`.

    The tree, a leaf being a status with its sentence:

    GatewayError (500)
     ├─ BadRequest 400, Unauthorized 401, Forbidden 403, NotFound 404, MethodNotAllowed 405
     ├─ RequestTimeout 408, PayloadTooLarge 413, UnsupportedMediaType 415, TooManyRequests 429
     ├─ ClientClosedRequest 499 (for the log alone)
     └─ UnknownMethod 501, BadGateway 502, ServiceUnavailable 503, GatewayTimeout 504, LoopDetected 508
    """

    status = 500
    message = "Internal server error"
    code = ErrorCode.INTERNAL_ERROR

    def __init__(
        self,
        message: str | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
        code: ErrorCode | None = None,
    ) -> None:
        if message is not None:
            self.message = message
        if code is not None:
            self.code = code
        self.headers = headers
        super().__init__(self.message)


class BadRequest(GatewayError):
    status = 400
    message = "Bad request"
    code = ErrorCode.BAD_REQUEST


class Unauthorized(GatewayError):
    """401 with the challenge of RFC 6750 section 3: without credentials it names no error code."""

    status = 401
    message = "Unauthorized"
    code = ErrorCode.TOKEN_MISSING

    def __init__(self, challenge: str | None = None, message: str | None = None, code: ErrorCode | None = None) -> None:
        """`challenge` is RFC 6750's error code ("invalid_token"), None where no credentials came."""
        value = "Bearer" if challenge is None else f'Bearer error="{challenge}"'
        super().__init__(message, {"WWW-Authenticate": value}, code)


class Forbidden(GatewayError):
    status = 403
    message = "Forbidden"
    code = ErrorCode.FORBIDDEN

    def __init__(self, code: ErrorCode | None = None) -> None:
        super().__init__(code=code)


class NotFound(GatewayError):
    status = 404
    message = "Not found"
    code = ErrorCode.NOT_FOUND


class MethodNotAllowed(GatewayError):
    status = 405
    message = "Method not allowed"
    code = ErrorCode.METHOD_NOT_ALLOWED

    def __init__(self, allowed: str) -> None:
        """`allowed`: the value of Allow (RFC 9110 section 10.2.1)."""
        super().__init__(headers={"Allow": allowed})


class RequestTimeout(GatewayError):
    status = 408
    message = "Request Timeout"
    code = ErrorCode.REQUEST_TIMEOUT


class PayloadTooLarge(GatewayError):
    status = 413
    message = "Payload too large"
    code = ErrorCode.BODY_TOO_LARGE


class UnsupportedMediaType(GatewayError):
    status = 415
    message = "Unsupported Media Type"
    code = ErrorCode.UNSUPPORTED_MEDIA_TYPE


class TooManyRequests(GatewayError):
    status = 429
    message = "Too many requests"
    code = ErrorCode.RATE_LIMITED

    def __init__(self, retry_after: int) -> None:
        """`retry_after`: seconds until the rate limit lets the next one through."""
        super().__init__(headers={"Retry-After": str(retry_after)})


class ClientClosedRequest(GatewayError):
    """The client closed its connection before the answer."""

    status = 499
    message = "Client closed request"
    code = ErrorCode.CLIENT_CLOSED_REQUEST


class UnknownMethod(GatewayError):
    """501: a method or transfer coding that is not implemented (RFC 9110 section 15.6.2)."""

    status = 501
    message = "Not Implemented"
    code = ErrorCode.NOT_IMPLEMENTED


class _CodedError(GatewayError):
    """One that is answered in another's place: its code says what failed."""

    def __init__(self, code: ErrorCode | None = None) -> None:
        super().__init__(code=code)


class BadGateway(_CodedError):
    status = 502
    message = "Bad gateway"
    code = ErrorCode.SERVICE_PROTOCOL_ERROR


class ServiceUnavailable(GatewayError):
    status = 503
    message = "Service unavailable"
    code = ErrorCode.UNAVAILABLE

    def __init__(self, retry_after: int = 1, code: ErrorCode | None = None) -> None:
        """`retry_after`: seconds after which a new try makes sense."""
        super().__init__(headers={"Retry-After": str(max(1, retry_after))}, code=code)


class GatewayTimeout(_CodedError):
    status = 504
    message = "Gateway timeout"
    code = ErrorCode.SERVICE_TIMEOUT


class LoopDetected(GatewayError):
    status = 508
    message = "Loop Detected"
    code = ErrorCode.LOOP_DETECTED


# What the client reads where a status comes from the framework or the HTTP parser.
_OF_STATUS: Mapping[int, tuple[str, ErrorCode]] = MappingProxyType(
    {
        414: ("URI too long", ErrorCode.URI_TOO_LONG),
        417: ("Expectation Failed", ErrorCode.EXPECTATION_FAILED),
        431: ("Request header fields too large", ErrorCode.HEADERS_TOO_LARGE),
        **{
            kind.status: (kind.message, kind.code)
            for kind in (
                BadRequest,
                Unauthorized,
                Forbidden,
                NotFound,
                MethodNotAllowed,
                RequestTimeout,
                PayloadTooLarge,
                UnsupportedMediaType,
                TooManyRequests,
                GatewayError,
                UnknownMethod,
                BadGateway,
                ServiceUnavailable,
                GatewayTimeout,
                LoopDetected,
            )
        },
    }
)


def message_of(status: int) -> str:
    """The client's sentence for a status that carries none of its own."""
    return _OF_STATUS[status][0] if status in _OF_STATUS else reason(status)


def code_of(status: int) -> ErrorCode:
    """The code for a status that carries none of its own."""
    if status in _OF_STATUS:
        return _OF_STATUS[status][1]
    return ErrorCode.BAD_REQUEST if status < 500 else ErrorCode.INTERNAL_ERROR


def drop_traceback(error: BaseException) -> None:
    """Take an error's frames from it, and from those it came of: they hold the request, and the request the error, so
    that both would wait for the garbage collector."""
    found: BaseException | None = error
    while found is not None:
        found.__traceback__ = None
        found.__context__, found = None, found.__context__
