"""What Keycloak gives for a refresh token, judged before anybody gets it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from gateway import errors
from gateway.oidc import SessionOver, TokenAnswer
from gateway.tokens import EarlyToken, ExpiredToken, IdTokens, InvalidToken, Verifier

log = logging.getLogger("gateway.auth")

_OF_ANOTHER = frozenset({"id_token", "audience"})
"""What an ID token is refused for where it is another user's, client's or issuer's."""


def misfit(refusal: InvalidToken) -> errors.BadGateway:
    """The error that an access token is which Keycloak has just given and no call would be let through with; the log
    says what to mend."""
    log.error(
        "Auth: every access token of this client will be refused (%s): %s",
        refusal.reason, refusal.explanation or "compare JWT_ALGORITHMS and JWT_AUDIENCE with the client's settings in"
        " Keycloak (Clients > the client > Advanced)",
    )  # fmt: skip
    return errors.BadGateway(errors.ErrorCode.MISCONFIGURED)


class RefreshChecks:
    """Judges the tokens of a refresh: for a fault that can be mended they are neither handed out nor thrown away."""

    def __init__(self, id_tokens: IdTokens, verifier: Verifier) -> None:
        self._id_tokens = id_tokens
        self._verifier = verifier

    def claims(self, tokens: TokenAnswer) -> Mapping[str, Any]:
        """The claims of the ID token; none where none came (OpenID Connect Core 1.0 section 12.2).

        Raises SessionOver where it is of another session; BadGateway where a token is of another time, can not be
        checked, or would be refused with each call, which one log line explains; ServiceUnavailable where it is signed
        by a new key that can not be read.
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
