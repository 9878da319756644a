"""`/media`: uploads, downloads and ranges, forwarded to the media service."""

from __future__ import annotations

from flask import Blueprint
from werkzeug.wrappers import Response

from gateway.limits import by_caller
from gateway.marks import answers_options, limited
from gateway.services import MEDIA
from gateway.wiring import engines

blueprint = Blueprint("media", __name__)


@blueprint.route("/media/<path:rest>", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@limited("media", by_caller)
@answers_options
def media(rest: str) -> Response:
    """Forward, OPTIONS too, which tells what a tus server supports; 404 without MEDIA_SERVICE_URL."""
    return engines().services.of(MEDIA).forward()
