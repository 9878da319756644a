"""`/media`: uploads, downloads and ranges, at the media service."""

from __future__ import annotations

from flask import Blueprint, Response

from gateway import errors
from gateway.engines import engines
from gateway.limits import limited

blueprint = Blueprint("media", __name__)


@blueprint.route("/media/<path:rest>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
@limited("media")
def media(rest: str) -> Response:
    """Forward; without MEDIA_SERVICE_URL there is no such route."""
    service = engines().media
    if service is None:
        raise errors.NotFound()
    return service.forward()
