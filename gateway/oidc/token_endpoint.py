"""The responses of Keycloak's token endpoint, successful or not (RFC 6749 section 5)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from authlib.integrations.base_client.errors import OAuthError
from requests import RequestException

from gateway import errors
from gateway.errors import ErrorCode
from gateway.headers import TOKEN_BYTES
from gateway.oidc.advice import CLIENT_FIXES
from gateway.transport import ConnectError, ConnectTimedOut, ResponseTimeout

log = logging.getLogger("gateway.oidc")

UNKNOWN_LIFE = 1_209_600
"""The assumed lifetime of a refresh token in seconds if the response does not state it: two weeks."""

# RFC 6749 section 5.2 and Keycloak's own; any other value may be an echo of the request.
_ERRORS = frozenset(
    {"invalid_request", "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}
)


class SessionOver(Exception):
    """Keycloak answered `invalid_grant`: expired, ended, disabled, already used. A retry does not help."""


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """The successful response of a token endpoint (RFC 6749 section 5.1); lifetimes in seconds since it arrived."""

    access_token: str
    refresh_token: str | None
    id_token: str | None
    expires_in: int
    refresh_expires_in: int


def answer_of(ask: Callable[[], Any]) -> Any:
    """The result of `ask`, with the exceptions of libraries translated."""
    try:
        return ask()
    except OAuthError as error:
        if error.error == "invalid_grant":
            raise SessionOver from None
        word = error.error if str(error.error) in _ERRORS else "unknown"
        fix = CLIENT_FIXES.get(word, CLIENT_FIXES["invalid_client"])
        log.error("Keycloak refuses the gateway's client (%s): %s", word, fix)
        raise errors.BadGateway(ErrorCode.KEYCLOAK_ERROR) from None
    except (ResponseTimeout, ConnectTimedOut):
        log.error("Keycloak: too slow (KEYCLOAK_ISSUER_URL or KEYCLOAK_INTERNAL_URL)")
        raise errors.GatewayTimeout(ErrorCode.KEYCLOAK_TIMEOUT) from None
    except ConnectError as error:
        log.error("Keycloak: cannot be reached (KEYCLOAK_ISSUER_URL or KEYCLOAK_INTERNAL_URL): %s", error)
        raise errors.ServiceUnavailable(2, ErrorCode.KEYCLOAK_UNAVAILABLE) from None
    except (RequestException, ValueError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        log.error("Keycloak: invalid response of the token endpoint (%s)", type(error).__name__)
        raise errors.BadGateway(ErrorCode.KEYCLOAK_ERROR) from None


def token_answer(ask: Callable[[], Any]) -> TokenAnswer:
    """As `answer_of`, of a call that brings tokens."""
    token = answer_of(ask)
    access, refresh, identity = (token.get(name) for name in ("access_token", "refresh_token", "id_token"))
    kind = token.get("token_type", "Bearer")
    if not _is_token(access) or not (refresh is None or _is_token(refresh)):
        log.error("Keycloak: the token endpoint's response contains no access token")
        raise errors.BadGateway(ErrorCode.KEYCLOAK_ERROR)
    if not isinstance(kind, str) or kind.lower() != "bearer":  # RFC 6749 section 7.1
        log.error("Keycloak: the token endpoint's response contains a token of an unknown type")
        raise errors.BadGateway(ErrorCode.KEYCLOAK_ERROR)
    if len(access) > TOKEN_BYTES:
        log.error(
            "Keycloak: an access token of %d bytes is over %d, which no request may carry: remove roles from it"
            " (Clients > the client > Client scopes > its dedicated scope > Scope)", len(access), TOKEN_BYTES,
        )  # fmt: skip
        raise errors.BadGateway(ErrorCode.KEYCLOAK_ERROR)
    return TokenAnswer(
        access_token=access,
        refresh_token=refresh,
        id_token=identity if _is_token(identity) else None,
        expires_in=_seconds(token.get("expires_in"), 60),
        refresh_expires_in=_seconds(token.get("refresh_expires_in"), UNKNOWN_LIFE),
    )


def refusal_of(ask: Callable[[], Any]) -> str:
    """The error code of the token endpoint's refusal (RFC 6749 section 5.2), empty if it does not refuse."""
    try:
        ask()
    except OAuthError as error:
        return str(error.error) if error.error in _ERRORS | {"invalid_grant"} else "another error"
    return ""


def _is_token(value: Any) -> bool:
    """RFC 6749 appendix A.12 and A.17: printable ASCII."""
    return isinstance(value, str) and value != "" and value.isascii() and value.isprintable()


def _seconds(value: Any, default: int) -> int:
    return int(value) if isinstance(value, (int, float)) and 0 < value < 10**9 else default


def digest_of(refresh_token: str) -> str:
    """The key of a refresh token in the store, from which the token cannot be derived."""
    return sha256(refresh_token.encode("utf-8", "replace")).hexdigest()
