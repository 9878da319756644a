"""Errors of invalid tokens."""

from __future__ import annotations

from gateway import errors


class InvalidToken(errors.Unauthorized):
    """`reason` is a word for metrics, `explanation` a sentence for the log. Neither reaches the client."""

    code = errors.ErrorCode.TOKEN_INVALID

    def __init__(self, reason: str, explanation: str = "", message: str | None = None) -> None:
        super().__init__("invalid_token", message, self.code)
        self.reason = reason
        self.explanation = explanation


class ExpiredToken(InvalidToken):
    """A token that was valid and has expired; `user_id` is its user."""

    code = errors.ErrorCode.TOKEN_EXPIRED

    def __init__(self, user_id: str | None = None) -> None:
        super().__init__("expired", message="Token expired")
        self.user_id = user_id


class EarlyToken(InvalidToken):
    """A token from the future: the clocks of Keycloak and the gateway disagree."""

    def __init__(self, claim: str) -> None:
        super().__init__("times", f"{claim} is in the future: compare the clocks of Keycloak and the gateway")


class EndedSession(InvalidToken):
    """A valid token of a session that has ended."""

    code = errors.ErrorCode.SESSION_ENDED

    def __init__(self) -> None:
        super().__init__("ended")
