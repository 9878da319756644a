"""The tree of all errors that the gateway answers with.

A leaf is a status and a message. A service's own 4xx and 5xx responses are not among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gateway.errors.codes import ErrorCode

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class GatewayError(Exception):
    """An error response: `status`, `message` and `code` for the client, and additional `headers`.

    The tree, in which a leaf is a status with its message:

    GatewayError (500)
     ├─ BadRequest 400, Unauthorized 401, Forbidden 403, NotFound 404, MethodNotAllowed 405
     ├─ RequestTimeout 408, PayloadTooLarge 413, UnsupportedMediaType 415, TooManyRequests 429
     ├─ ClientClosedRequest 499 (only for the log)
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
    """401 with the challenge of RFC 6750 section 3, which has no error code if there were no credentials."""

    status = 401
    message = "Unauthorized"
    code = ErrorCode.TOKEN_MISSING

    def __init__(self, challenge: str | None = None, message: str | None = None, code: ErrorCode | None = None) -> None:
        """`challenge` is RFC 6750's error code ("invalid_token"), None without credentials."""
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
        """`retry_after`: seconds until the rate limit allows the next request."""
        super().__init__(headers={"Retry-After": str(retry_after)})


class ClientClosedRequest(GatewayError):
    """The client closed its connection before the response."""

    status = 499
    message = "Client closed request"
    code = ErrorCode.CLIENT_CLOSED_REQUEST


class UnknownMethod(GatewayError):
    """501: a method or transfer coding that is not implemented (RFC 9110 section 15.6.2)."""

    status = 501
    message = "Not Implemented"
    code = ErrorCode.NOT_IMPLEMENTED


class _CodedError(GatewayError):
    """An error in place of the response of a service or Keycloak; its code says what failed."""

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
        """`retry_after`: seconds to wait before a retry."""
        super().__init__(headers={"Retry-After": str(max(1, retry_after))}, code=code)


class GatewayTimeout(_CodedError):
    status = 504
    message = "Gateway timeout"
    code = ErrorCode.SERVICE_TIMEOUT


class LoopDetected(GatewayError):
    status = 508
    message = "Loop Detected"
    code = ErrorCode.LOOP_DETECTED
