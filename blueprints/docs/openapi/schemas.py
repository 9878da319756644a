"""The schemas of the gateway's own bodies, and one for all others."""

from __future__ import annotations

from blueprints.docs.openapi.nodes import Node, ref
from blueprints.docs.openapi.service_bodies import SERVICE_BODIES
from blueprints.docs.openapi.sign_in_bodies import SIGN_IN_BODIES
from gateway.errors import ErrorCode
from gateway.probes import Unready

TIMESTAMP: Node = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
    "description": "UTC, ISO 8601 with milliseconds.",
}

ERROR: Node = {
    "type": "object",
    "description": "The body of every error of the gateway.",
    "required": ["statusCode", "message", "error", "code", "timestamp", "path", "traceId"],
    "additionalProperties": False,
    "properties": {
        "statusCode": {"type": "integer", "minimum": 400, "maximum": 599, "description": "The status code."},
        "message": {"type": "string", "minLength": 1, "description": "What is wrong, for people."},
        "error": {"type": "string", "description": "The status's reason phrase (RFC 9110)."},
        "code": {
            "type": "string",
            "enum": [code.value for code in ErrorCode],
            "description": "The stable identifier of the error, for programs.",
        },
        "timestamp": TIMESTAMP,
        "path": {
            "type": "string",
            "description": "The path of the request, without its query; empty if the request could not be parsed.",
        },
        "traceId": {
            "type": "string",
            "pattern": "^[0-9a-f]{32}$",
            "description": "Identifies this request in logs and traces: include it when you report a problem.",
        },
    },
}

SERVICE_ERROR: Node = {
    "type": "object",
    "description": "A service's own error, passed through unchanged: in NestJS's format if the service uses NestJS.",
    "properties": {
        "statusCode": {"type": "integer", "description": "The status code."},
        "message": {
            "type": ["string", "array"],
            "items": {"type": "string"},
            "description": "What is wrong; a list if there are several errors.",
        },
        "error": {"type": "string", "description": "The status's reason phrase."},
    },
}

ERROR_ON_THE_WAY: Node = {
    "description": "The gateway's error, which has a `code` and a `traceId`, or the service's own error.",
    "anyOf": [ref("schemas", "Error"), ref("schemas", "ServiceError")],
}

FORWARDED: Node = {
    "description": "Defined by the service: the gateway neither reads nor changes it.",
}

CONDITION: Node = {"type": "string", "enum": ["healthy", "unhealthy"]}


def _status(description: str, *values: str) -> Node:
    return {
        "type": "object",
        "description": description,
        "required": ["status"],
        "additionalProperties": False,
        "properties": {"status": {"type": "string", "enum": list(values)}},
    }


def _ready() -> Node:
    schema = _status("Whether requests should be sent here.", "ok", "unavailable")
    schema["properties"]["reason"] = {
        "type": "string",
        "enum": list(Unready),
        "description": "Why not: Keycloak's keys were never read, or this gateway is about to stop.",
    }
    return schema


def _health(names: tuple[str, ...]) -> Node:
    return {
        "type": "object",
        "description": "The gateway and its dependencies.",
        "required": ["status", "timestamp", "uptime", "version", "commit", "services"],
        "additionalProperties": False,
        "properties": {
            "status": {
                "type": "string",
                "enum": ["ok", "degraded"],
                "description": "`ok`: Keycloak and all services are healthy.",
            },
            "timestamp": TIMESTAMP,
            "uptime": {"type": "number", "minimum": 0, "description": "Seconds since this worker started."},
            "version": {"type": "string", "description": "The version of the gateway."},
            "commit": {"type": "string", "description": "The commit it was built from, or `unknown`."},
            "services": {
                "type": "object",
                "description": "The result of each probe, at most a few seconds old.",
                "required": list(names),
                "additionalProperties": False,
                "properties": {name: ref("schemas", "Condition") for name in names},
            },
        },
    }


def schemas(peers: tuple[str, ...]) -> Node:
    """`components.schemas`; `peers` are the names in `/health`."""
    return {
        "Error": ERROR,
        "ServiceError": SERVICE_ERROR,
        "ErrorOnTheWay": ERROR_ON_THE_WAY,
        **SIGN_IN_BODIES,
        **SERVICE_BODIES,
        "Forwarded": FORWARDED,
        "Health": _health(peers),
        "Condition": CONDITION,
        "Live": _status("The process answers.", "ok"),
        "Ready": _ready(),
    }
