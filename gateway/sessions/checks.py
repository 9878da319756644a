"""Checks of the tokens that Keycloak returns for a refresh token, before they are handed out."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from gateway import errors
from gateway.oidc import SessionOver, TokenAnswer
from gateway.tokens import EarlyToken, ExpiredToken, IdTokens, InvalidToken, Verifier

log = logging.getLogger("gateway.auth")

_OF_ANOTHER = frozenset({"id_token", "audience"})
"""Why an ID token is refused that belongs to another user, client or issuer."""


def misfit(refusal: InvalidToken) -> errors.BadGateway:
    """The error for an access token that Keycloak has just issued and that every request would be refused with; the
    log says what to change."""
    log.error(
        "Auth: every access token of this client will be refused (%s): %s",
        refusal.reason, refusal.explanation or "compare JWT_ALGORITHMS and JWT_AUDIENCE with the client's settings in"
        " Keycloak (Clients > the client > Advanced)",
    )  # fmt: skip
    return errors.BadGateway(errors.ErrorCode.MISCONFIGURED)


class RefreshChecks:
    """Checks the tokens of a refresh. Tokens that fail for a reason that can be fixed must not end the session."""

    def __init__(self, id_tokens: IdTokens, verifier: Verifier) -> None:
        self._id_tokens = id_tokens
        self._verifier = verifier

    def claims(self, tokens: TokenAnswer) -> Mapping[str, Any]:
        """The claims of the ID token; empty if there is none (OpenID Connect Core 1.0 section 12.2).

        Raises SessionOver for an ID token of another session; BadGateway if the times of a token are wrong, if it
        cannot be checked, or if every request with the access token would be refused, with one log line that explains
        it; ServiceUnavailable if a token is signed with a new key that cannot be read.
        """
        claims = self._identity(tokens)
        try:
            self._verifier.verify(tokens.access_token, fetched=True)
        except (EarlyToken, ExpiredToken) as refusal:
            raise _untimely(refusal) from refusal
        except InvalidToken as refusal:
            raise misfit(refusal) from refusal
        return claims

    def _identity(self, tokens: TokenAnswer) -> Mapping[str, Any]:
        if tokens.id_token is None:
            return {}
        try:
            return self._id_tokens.verify(tokens.id_token, tokens.access_token, None)
        except (EarlyToken, ExpiredToken) as refusal:
            raise _untimely(refusal) from refusal
        except InvalidToken as refusal:
            if refusal.reason in _OF_ANOTHER:
                log.warning("Auth: ID token refused: %s", refusal.explanation or refusal.reason)
                raise SessionOver from None
            log.error(
                "Auth: the ID token of a refresh can not be checked (%s): compare JWT_ALGORITHMS with the client's"
                " settings in Keycloak (Clients > the client > Advanced)", refusal.reason,
            )  # fmt: skip
            raise errors.BadGateway(errors.ErrorCode.MISCONFIGURED) from refusal


def _untimely(refusal: InvalidToken) -> errors.BadGateway:
    log.error(
        "Auth: a token of a refresh is of another time (%s): compare the clock of this machine with Keycloak's, and"
        " JWT_LEEWAY; the session goes on once they agree", refusal.explanation or "it has lapsed already",
    )  # fmt: skip
    return errors.BadGateway(errors.ErrorCode.KEYCLOAK_ERROR)
