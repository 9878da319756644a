"""Health of the gateway and its dependencies, for load balancers, orchestrators and people."""

from __future__ import annotations

from time import monotonic

from flask import Blueprint, Response, jsonify

from gateway.clock import timestamp
from gateway.marks import free, public, quiet
from gateway.version import COMMIT, VERSION
from gateway.wiring import engines

blueprint = Blueprint("health", __name__)

_ONLY_REPORTED = frozenset({"kafka"})  # requests are served without Kafka


@blueprint.get("/health")
@quiet
@public
@free
def health() -> tuple[Response, int]:
    """200 while Keycloak and every service are healthy, else 503."""
    found = engines().probes.look()
    healthy = all(good for name, good in found.items() if name not in _ONLY_REPORTED)
    if engines().settings.redis_url is not None:  # reported, but not fatal: without Redis the machine's file is used
        found = {**found, "redis": engines().store.healthy}
    body = jsonify(
        status="ok" if healthy else "degraded",
        timestamp=timestamp(),
        uptime=round(monotonic() - engines().began, 3),
        version=VERSION,
        commit=COMMIT,
        services={name: "healthy" if good else "unhealthy" for name, good in found.items()},
    )
    return _uncached(body), 200 if healthy else 503


@blueprint.get("/health/live")
@quiet
@public
@free
def live() -> Response:
    """The process answers."""
    return _uncached(jsonify(status="ok"))


@blueprint.get("/health/ready")
@quiet
@public
@free
def ready() -> tuple[Response, int]:
    """Ready for traffic: Keycloak's keys have been read, and the worker is not stopping."""
    why = engines().unready
    if why is None:
        return _uncached(jsonify(status="ok")), 200
    return _uncached(jsonify(status="unavailable", reason=why)), 503


def _uncached(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
