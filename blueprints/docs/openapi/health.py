"""`/health`, `/health/live` and `/health/ready`."""

from __future__ import annotations

from blueprints.docs.openapi import samples
from blueprints.docs.openapi.headers import fields
from blueprints.docs.openapi.nodes import Node, content, ref
from blueprints.docs.openapi.operations import own

TAG: Node = {
    "name": "Health",
    "description": "For people, load balancers and orchestrators; public. A 503 here is a report with its own body, not"
    " an error.",
}


def paths(peers: tuple[str, ...]) -> Node:
    """The health paths; `peers` are the names in `/health`."""
    well: Node = {
        "status": "ok",
        "timestamp": samples.MOMENT,
        "uptime": 86400.25,
        "version": "1.0.0",
        "commit": "3f2a9c1",
        "services": dict.fromkeys(peers, "healthy"),
    }
    ill = {**well, "status": "degraded", "services": {**well["services"], "userService": "unhealthy"}}
    return {"/health": {"get": _health(well, ill)}, **_PROBES}


def _health(well: Node, ill: Node) -> Node:
    return own(
        TAG["name"],
        "health",
        "The gateway and its dependencies",
        {
            "200": _report("Keycloak and every service are healthy.", "Health", well),
            "503": _report("At least one of them is unhealthy.", "Health", ill),
        },
        free=True,
        description="All services are probed concurrently, with a time limit, and the result is cached for a few"
        " seconds. A service is healthy if its own `/health` answers with a status below 500. Redis and Kafka, if"
        " configured, are reported but never cause a 503, because the gateway works without them.",
    )


def _report(description: str, schema: str, example: Node) -> Node:
    return {
        "description": description,
        "headers": fields("Cache-Control"),
        "content": content(ref("schemas", schema), example),
    }


_PROBES: Node = {
    "/health/live": {
        "get": own(
            TAG["name"],
            "live",
            "Whether the process answers",
            {"200": _report("The process answers.", "Live", {"status": "ok"})},
            free=True,
        )
    },
    "/health/ready": {
        "get": own(
            TAG["name"],
            "ready",
            "Whether requests should be sent here",
            {
                "200": _report("Requests should be sent here.", "Ready", {"status": "ok"}),
                "503": _report(
                    "Keycloak's keys have not been read yet, or this gateway is stopping.",
                    "Ready",
                    {"status": "unavailable", "reason": "keycloak_keys_unread"},
                ),
            },
            free=True,
        )
    },
}
