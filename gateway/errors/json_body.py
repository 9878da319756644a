"""The JSON body of all errors, and its content for errors of the framework or the HTTP parser."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from gateway.clock import timestamp
from gateway.errors import tree
from gateway.errors.codes import ErrorCode

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


def body(status: int, message: str, code: ErrorCode, path: str, trace_id: str) -> dict[str, object]:
    """The JSON body of an error response. `path` has no query."""
    return {
        "statusCode": status,
        "message": message,
        "error": reason(status),
        "code": code,
        "timestamp": timestamp(),
        "path": path,
        "traceId": trace_id,
    }


# What the client reads where a status comes from the framework or the HTTP parser.
_OF_STATUS: Mapping[int, tuple[str, ErrorCode]] = MappingProxyType(
    {
        414: ("URI too long", ErrorCode.URI_TOO_LONG),
        417: ("Expectation Failed", ErrorCode.EXPECTATION_FAILED),
        431: ("Request header fields too large", ErrorCode.HEADERS_TOO_LARGE),
        **{
            kind.status: (kind.message, kind.code)
            for kind in (
                tree.BadRequest,
                tree.Unauthorized,
                tree.Forbidden,
                tree.NotFound,
                tree.MethodNotAllowed,
                tree.RequestTimeout,
                tree.PayloadTooLarge,
                tree.UnsupportedMediaType,
                tree.TooManyRequests,
                tree.GatewayError,
                tree.UnknownMethod,
                tree.BadGateway,
                tree.ServiceUnavailable,
                tree.GatewayTimeout,
                tree.LoopDetected,
            )
        },
    }
)


def message_of(status: int) -> str:
    """The message for a status without its own."""
    return _OF_STATUS[status][0] if status in _OF_STATUS else reason(status)


def code_of(status: int) -> ErrorCode:
    """The code for a status without its own."""
    if status in _OF_STATUS:
        return _OF_STATUS[status][1]
    return ErrorCode.BAD_REQUEST if status < 500 else ErrorCode.INTERNAL_ERROR
