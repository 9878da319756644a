"""The bodies that are the gateway's own, and the one word for those that are not."""

from __future__ import annotations

from blueprints.docs.openapi.nodes import Node, ref
from blueprints.docs.openapi.service_bodies import SERVICE_BODIES
from gateway.errors import ErrorCode

TIMESTAMP: Node = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
    "description": "UTC, ISO 8601 with milliseconds.",
}

ERROR: Node = {
    "type": "object",
    "description": "The one body of every error of the gateway's.",
    "required": ["statusCode", "message", "error", "code", "timestamp", "path", "traceId"],
    "additionalProperties": False,
    "properties": {
        "statusCode": {"type": "integer", "minimum": 400, "maximum": 599, "description": "The status, once more."},
        "message": {"type": "string", "minLength": 1, "description": "What is wrong, in a sentence."},
        "error": {"type": "string", "description": "The status's reason phrase (RFC 9110)."},
        "code": {
            "type": "string",
            "enum": [code.value for code in ErrorCode],
            "description": "The stable word that a client decides by.",
        },
        "timestamp": TIMESTAMP,
        "path": {
            "type": "string",
            "description": "The path as it came, without its query; empty where the request could not be read.",
        },
        "traceId": {
            "type": "string",
            "pattern": "^[0-9a-f]{32}$",
            "description": "Finds this request in logs and traces: say it when you ask for help.",
        },
    },
}

SERVICE_ERROR: Node = {
    "type": "object",
    "description": "An error of a service's own, passed on as it came: NestJS's shape, where the service is one of it.",
    "properties": {
        "statusCode": {"type": "integer", "description": "The status, once more."},
        "message": {
            "type": ["string", "array"],
            "items": {"type": "string"},
            "description": "What is wrong; a list where several things are.",
        },
        "error": {"type": "string", "description": "The status's reason phrase."},
    },
}

ERROR_ON_THE_WAY: Node = {
    "description": "The gateway's error, which has a `code` and a `traceId`, or the service's own.",
    "anyOf": [ref("schemas", "Error"), ref("schemas", "ServiceError")],
}

FORWARDED: Node = {
    "description": "Whatever the service and its client say to each other: the gateway neither reads nor changes it.",
}

CONDITION: Node = {"type": "string", "enum": ["healthy", "unhealthy"]}


def _object(description: str, required: tuple[str, ...], *, closed: bool = True, **properties: Node) -> Node:
    return {
        "type": "object",
        "description": description,
        "required": list(required),
        **({"additionalProperties": False} if closed else {}),
        "properties": properties,
    }


def _said(description: str) -> Node:
    return {"type": "string", "minLength": 1, "description": description}


def _maybe(description: str) -> Node:
    return {"type": ["string", "null"], "minLength": 1, "description": description}


_EXPIRES: Node = {"type": "integer", "minimum": 0, "description": "Seconds that the access token still lives."}
_ACCESS = _said("The access token, for `Authorization: Bearer`.")
_REFRESH = _said("The refresh token: use it once, each answer brings the next.")

USER = _object(
    "Who is signed in, by the access token.",
    ("id", "email", "roles"),
    id=_said("The user's id: the token's `sub`."),
    email=_maybe("The address, where it is known."),
    firstName=_said("The given name, where it is known."),
    lastName=_said("The family name, where it is known."),
    roles={
        "type": "array",
        "items": {"type": "string"},
        "description": "Those of the realm and of the gateway's own client, sorted.",
    },
)

# What a client sends may hold more: it is not looked at.
OF_SIGN_IN: Node = {
    "Login": _object(
        "Where a sign-in is to come back to.",
        (),
        closed=False,
        redirectUri=_maybe(
            "Where Keycloak sends the browser: KEYCLOAK_REDIRECT_URI, which is the default, one on a frontend's origin,"
            " or one of ALLOWED_REDIRECT_URIS."
        ),
        returnTo=_maybe("A path on the frontend, where the browser ends; `/` is the default."),
    ),
    "LoginBegun": _object(
        "A sign-in that has begun.",
        ("authUrl", "state"),
        authUrl=_said("Where the browser signs in, at Keycloak."),
        state=_said("The sign-in's state: Keycloak gives it back to `/auth/callback`."),
    ),
    "SignedIn": _object(
        "The tokens of a sign-in.",
        ("accessToken", "refreshToken", "expiresIn", "tokenType"),
        accessToken=_ACCESS,
        refreshToken=_maybe(_REFRESH["description"]),
        expiresIn=_EXPIRES,
        tokenType={"type": "string", "enum": ["Bearer"], "description": "How the access token is used."},
    ),
    "RefreshToken": _object(
        "A program's refresh token.", (), closed=False, refreshToken=_maybe("The newest one that it was given.")
    ),
    "Refreshed": _object(
        "New tokens.",
        ("accessToken", "refreshToken", "expiresIn"),
        accessToken=_ACCESS,
        refreshToken=_REFRESH,
        expiresIn=_EXPIRES,
    ),
    "SessionRefreshed": _object("New cookies came.", ("expiresIn",), expiresIn=_EXPIRES),
    "LoggedOut": _object(
        "Signed out.",
        ("message",),
        message=_said("A sentence."),
        endSessionUrl=_said("Where the browser ends its session at Keycloak; there where Keycloak's address is known."),
    ),
    "LogoutToken": _object(
        "The form of Back-Channel Logout.", ("logout_token",), closed=False, logout_token=_said("The signed token.")
    ),
    "Done": _object("It is done.", ("message",), message=_said("A word.")),
    "User": USER,
    "Session": {
        "description": "Who is signed in, if anybody: `authenticated` tells.",
        "oneOf": [ref("schemas", "SignedInSession"), ref("schemas", "NoSession")],
    },
    "SignedInSession": _object(
        "The credentials are good.",
        ("authenticated", "user", "expiresIn"),
        authenticated={"type": "boolean", "const": True, "description": "Somebody is signed in."},
        user=ref("schemas", "User"),
        expiresIn=_EXPIRES,
    ),
    "NoSession": _object(
        "Nobody is signed in, or no more.",
        ("authenticated",),
        authenticated={"type": "boolean", "const": False, "description": "Nobody is signed in."},
        refreshable={
            "type": "boolean",
            "const": True,
            "description": "There when only the access token of a session has lapsed: refresh it.",
        },
    ),
}


def _status(description: str, *values: str) -> Node:
    return {
        "type": "object",
        "description": description,
        "required": ["status"],
        "additionalProperties": False,
        "properties": {"status": {"type": "string", "enum": list(values)}},
    }


def _health(names: tuple[str, ...]) -> Node:
    return {
        "type": "object",
        "description": "The gateway and what it depends on.",
        "required": ["status", "timestamp", "uptime", "services"],
        "additionalProperties": False,
        "properties": {
            "status": {
                "type": "string",
                "enum": ["ok", "degraded"],
                "description": "`ok`: Keycloak and all services are.",
            },
            "timestamp": TIMESTAMP,
            "uptime": {"type": "number", "minimum": 0, "description": "Seconds since this worker began."},
            "services": {
                "type": "object",
                "description": "Each as it was found at most a few seconds ago.",
                "required": list(names),
                "additionalProperties": False,
                "properties": {name: ref("schemas", "Condition") for name in names},
            },
        },
    }


def schemas(peers: tuple[str, ...]) -> Node:
    """`components.schemas`; `peers` are what `/health` names."""
    return {
        "Error": ERROR,
        "ServiceError": SERVICE_ERROR,
        "ErrorOnTheWay": ERROR_ON_THE_WAY,
        **OF_SIGN_IN,
        **SERVICE_BODIES,
        "Forwarded": FORWARDED,
        "Health": _health(peers),
        "Condition": CONDITION,
        "Live": _status("The process answers.", "ok"),
        "Ready": _status("Whether requests should be sent here.", "ok", "unavailable"),
    }
