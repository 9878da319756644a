"""`/metrics`: for Prometheus, from whichever worker it meets, the counts of all of them."""

from __future__ import annotations

from flask import Blueprint, Response, request

from gateway import errors
from gateway.engines import engines
from gateway.identity import public
from gateway.limits import free
from gateway.scope import current

blueprint = Blueprint("metrics", __name__)

_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_X_FORWARDED_HOST", "HTTP_VIA")


@blueprint.get("/metrics")
@public
@free
def metrics() -> Response:
    """Only for METRICS_ALLOWED_NETWORKS: a proxy that is not trusted has every client behind its own address."""
    scope = current()
    forwarded = any(name in request.environ for name in _FORWARDED)
    trusted = engines().trusted_proxies.contains(request.environ.get("REMOTE_ADDR", ""))
    if (forwarded and not trusted) or not engines().metrics_readers.contains(scope.client):
        raise errors.Forbidden()
    text, kind = engines().exposition.text(request.headers.get("Accept", ""))
    response = Response(text, content_type=kind)
    response.headers["Cache-Control"] = "no-store"
    return response
