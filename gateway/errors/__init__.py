"""Errors: the gateway's own error responses, and their JSON body."""

from gateway.errors.codes import PROXY_ERRORS, ErrorCode
from gateway.errors.faults import StartFault, drop_traceback
from gateway.errors.json_body import body, code_of, message_of, reason
from gateway.errors.tree import (
    BadGateway,
    BadRequest,
    ClientClosedRequest,
    Forbidden,
    GatewayError,
    GatewayTimeout,
    LoopDetected,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    RequestTimeout,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
    UnknownMethod,
    UnsupportedMediaType,
)

__all__ = [
    "PROXY_ERRORS",
    "BadGateway",
    "BadRequest",
    "ClientClosedRequest",
    "ErrorCode",
    "Forbidden",
    "GatewayError",
    "GatewayTimeout",
    "LoopDetected",
    "MethodNotAllowed",
    "NotFound",
    "PayloadTooLarge",
    "RequestTimeout",
    "ServiceUnavailable",
    "StartFault",
    "TooManyRequests",
    "Unauthorized",
    "UnknownMethod",
    "UnsupportedMediaType",
    "body",
    "code_of",
    "drop_traceback",
    "message_of",
    "reason",
]
