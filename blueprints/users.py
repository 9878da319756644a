"""`/users/me`: the caller's own profile, forwarded to the user service."""

from __future__ import annotations

from flask import Blueprint
from werkzeug.wrappers import Response

from gateway.services import USERS
from gateway.wiring import engines

blueprint = Blueprint("users", __name__)


@blueprint.route("/users/me", methods=["GET", "PUT"])
def me() -> Response:
    """Read or change the caller's profile."""
    return engines().services.of(USERS).forward()
