"""The blueprint that the sign-in views share, and the line that each of them logs."""

from __future__ import annotations

import logging

from flask import Blueprint, Response

from gateway import errors
from gateway.tokens import InvalidToken
from gateway.wiring import engines

log = logging.getLogger("gateway.auth")
blueprint = Blueprint("auth", __name__)


@blueprint.after_request
def never_stored(response: Response) -> Response:
    """Every answer here sets or tells the state of a sign-in."""
    response.headers["Cache-Control"] = "no-store"
    return response


def tell(action: str, user_id: str | None, **more: str) -> None:
    """One line for what happened to a session; never a token or a code."""
    log.info("Auth: %s", action, extra={"action": action, "userId": user_id, **more})


def revoke(refresh_token: str | None) -> None:
    """Take a refresh token back, here and at Keycloak, if there is one and that can be reached."""
    if refresh_token is None:
        return
    engines().sign_in.revocations.revoke_refresh_token(refresh_token)
    try:
        engines().sign_in.grants.revoke(refresh_token)
    except errors.GatewayError as failure:
        log.warning("Auth: the session goes on at Keycloak until it lapses there: status %d", failure.status)


def explain(failure: BaseException) -> None:
    """One line for what was wrong with a token of Keycloak's; the client learns nothing of it."""
    cause = failure if isinstance(failure, InvalidToken) else failure.__cause__
    if isinstance(cause, InvalidToken):
        log.warning("Auth: ID token refused: %s", cause.explanation or cause.reason)
