"""`/interviews` and everything below, forwarded to the interview service."""

from __future__ import annotations

from flask import Blueprint
from werkzeug.wrappers import Response

from gateway.services import INTERVIEWS
from gateway.wiring import engines

blueprint = Blueprint("interviews", __name__)


@blueprint.route("/interviews", methods=["GET", "POST"])
@blueprint.route("/interviews/<id>", methods=["GET", "PUT", "PATCH", "DELETE"])
@blueprint.route("/interviews/<id>/<path:rest>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def interviews(id: str = "", rest: str = "") -> Response:
    """List, create, read, change and delete interviews, and everything below an interview."""
    return engines().services.of(INTERVIEWS).forward()
