"""`/metrics` for Prometheus: any worker returns the counts of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request

from gateway import errors, headers
from gateway.marks import free, public, quiet
from gateway.scope import current
from gateway.wiring import engines

blueprint = Blueprint("metrics", __name__)

_FORWARDED = {"HTTP_VIA", *(f"HTTP_{name.upper().replace('-', '_')}" for name in headers.CLIENT_ADDRESS)}


@blueprint.get("/metrics")
@quiet
@public
@free
def metrics() -> Response:
    """Only for METRICS_ALLOWED_NETWORKS, and not through a proxy that is not trusted or names no client, because then
    every client has the proxy's address."""
    if not _names_its_client(request.environ) or not engines().metrics_readers.contains(current().client):
        raise errors.Forbidden()
    instruments = engines().observability.instruments
    instruments.write()
    text, kind = engines().observability.exposition.text(request.headers.get("Accept", ""))
    instruments.active.write(without=1)  # this request, which is over when another worker is asked
    response = Response(text, content_type=kind)
    response.headers["Cache-Control"] = "no-store"
    return response


def _names_its_client(environ: Mapping[str, Any]) -> bool:
    """Whether a request came directly, or through a trusted proxy that names the client in X-Forwarded-For."""
    if not any(name in _FORWARDED or name.startswith("HTTP_X_FORWARDED_") for name in environ):
        return True
    peer, proxies = environ.get("REMOTE_ADDR", ""), engines().trusted_proxies
    if not proxies.contains(peer):
        return False
    chain = proxies.chain(peer, environ.get("HTTP_X_FORWARDED_FOR", ""))
    return len(chain) > bool(peer)
