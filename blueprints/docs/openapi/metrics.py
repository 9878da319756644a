"""`/metrics`."""

from __future__ import annotations

from blueprints.docs.openapi.headers import fields
from blueprints.docs.openapi.nodes import Node, content
from blueprints.docs.openapi.operations import own
from blueprints.docs.openapi.responses import refused, refused_here

TAG: Node = {"name": "Metrics", "description": "For Prometheus, only in the operator's networks."}

_EXAMPLE = 'http_requests_total{method="GET",route="/users/me",status="200"} 1027.0\n'
_OTHERS = "The client is not in a network that may read metrics, or came through a proxy that is not trusted."


def paths() -> Node:
    """The path of the metrics."""
    answers = {
        "200": {
            "description": "The counts of all workers of this machine.",
            "headers": fields("Cache-Control"),
            "content": content({"type": "string"}, _EXAMPLE, "text/plain"),
        },
        "403": refused_here(403, _OTHERS),
        **refused(503),
    }
    return {"/metrics": {"get": own(TAG["name"], "metrics", "Metrics", answers, free=True)}}
