"""The blueprint that the sign-in views share."""

from __future__ import annotations

from flask import Blueprint, Response

blueprint = Blueprint("auth", __name__)


@blueprint.after_request
def never_stored(response: Response) -> Response:
    """No response may be cached, because each one sets or returns the state of a sign-in."""
    response.headers["Cache-Control"] = "no-store"
    return response
