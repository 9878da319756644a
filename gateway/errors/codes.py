"""The stable code of each error, for programs; `docs/errors.md` lists them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, auto
from types import MappingProxyType


class ErrorCode(StrEnum):
    """The stable code of each error, in addition to its message."""

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
