"""`/health` and its two short sisters."""

from __future__ import annotations

from blueprints.docs.openapi import samples
from blueprints.docs.openapi.headers import fields
from blueprints.docs.openapi.nodes import Node, content, ref
from blueprints.docs.openapi.operations import own

TAG: Node = {
    "name": "Health",
    "description": "For people, balancers and orchestrators; open to everybody. Their 503 is a report, not an error,"
    " and keeps its shape.",
}


def paths(peers: tuple[str, ...]) -> Node:
    """The health paths; `peers` are what `/health` names."""
    well: Node = {
        "status": "ok",
        "timestamp": samples.MOMENT,
        "uptime": 86400.25,
        "services": dict.fromkeys(peers, "healthy"),
    }
    ill = {**well, "status": "degraded", "services": {**well["services"], "userService": "unhealthy"}}
    return {"/health": {"get": _health(well, ill)}, **_PROBES}


def _health(well: Node, ill: Node) -> Node:
    return own(
        TAG["name"],
        "health",
        "The gateway and what it depends on",
        {
            "200": _report("Keycloak and every service are healthy.", "Health", well),
            "503": _report("One of them is not.", "Health", ill),
        },
        free=True,
        description="Each service is asked at once, with a time limit, and the answer is kept for a few"
        " seconds. A service is healthy while its own `/health` answers below 500. Redis and Kafka, where there"
        " are any, are reported and make no 503: the gateway goes on without them.",
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
            {"200": _report("It does.", "Live", {"status": "ok"})},
            free=True,
        )
    },
    "/health/ready": {
        "get": own(
            TAG["name"],
            "ready",
            "Whether requests should be sent here",
            {
                "200": _report("They should.", "Ready", {"status": "ok"}),
                "503": _report(
                    "Keycloak's keys were never read, or this gateway is about to stop.",
                    "Ready",
                    {"status": "unavailable"},
                ),
            },
            free=True,
        )
    },
}
