"""The bodies of `/auth`: what a client sends and receives."""

from __future__ import annotations

from blueprints.docs.openapi.nodes import Node, ref


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


_EXPIRES: Node = {"type": "integer", "minimum": 0, "description": "Seconds until the access token expires."}
_ACCESS = _said("The access token, for `Authorization: Bearer`.")
_REFRESH = _said("The refresh token: use it once, each response contains the next one.")

_USER = _object(
    "The signed-in user, from the access token.",
    ("id", "email", "roles"),
    id=_said("The user's id: the token's `sub`."),
    email=_maybe("The email address, if it is known."),
    firstName=_said("The given name, if it is known."),
    lastName=_said("The family name, if it is known."),
    roles={
        "type": "array",
        "items": {"type": "string"},
        "description": "The roles of the realm and of the gateway's own client, sorted.",
    },
)

# Unknown fields of a client's body are ignored.
SIGN_IN_BODIES: Node = {
    "Login": _object(
        "Where the browser returns to after a sign-in.",
        (),
        closed=False,
        redirectUri=_maybe(
            "Where Keycloak redirects the browser: KEYCLOAK_REDIRECT_URI (the default), a URI on a frontend's origin,"
            " or one of ALLOWED_REDIRECT_URIS."
        ),
        returnTo=_maybe("The path on the frontend to which the browser returns; the default is `/`."),
    ),
    "LoginBegun": _object(
        "A sign-in that was started.",
        ("authUrl", "state"),
        authUrl=_said("The URL of the sign-in at Keycloak, for the browser."),
        state=_said("The `state` of the sign-in, which Keycloak returns to `/auth/callback`."),
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
        "A program's refresh token.", (), closed=False, refreshToken=_maybe("The newest refresh token.")
    ),
    "Refreshed": _object(
        "New tokens.",
        ("accessToken", "refreshToken", "expiresIn"),
        accessToken=_ACCESS,
        refreshToken=_REFRESH,
        expiresIn=_EXPIRES,
    ),
    "SessionRefreshed": _object("New cookies were set.", ("expiresIn",), expiresIn=_EXPIRES),
    "LoggedOut": _object(
        "Signed out.",
        ("message",),
        message=_said("A message for people."),
        endSessionUrl=_said(
            "The URL that ends the browser's session at Keycloak; present if Keycloak's address is known."
        ),
    ),
    "LogoutToken": _object(
        "The form of Back-Channel Logout.", ("logout_token",), closed=False, logout_token=_said("The signed token.")
    ),
    "Done": _object("Success.", ("message",), message=_said("A message for people.")),
    "User": _USER,
    "Session": {
        "description": "The signed-in user, if there is one; see `authenticated`.",
        "oneOf": [ref("schemas", "SignedInSession"), ref("schemas", "NoSession")],
    },
    "SignedInSession": _object(
        "The credentials are valid.",
        ("authenticated", "user", "expiresIn"),
        authenticated={"type": "boolean", "const": True, "description": "Somebody is signed in."},
        user=ref("schemas", "User"),
        expiresIn=_EXPIRES,
    ),
    "NoSession": _object(
        "Nobody is signed in, or the session has ended.",
        ("authenticated",),
        authenticated={"type": "boolean", "const": False, "description": "Nobody is signed in."},
        refreshable={
            "type": "boolean",
            "const": True,
            "description": "Present if only the access token of a session has expired: refresh it.",
        },
    ),
}
