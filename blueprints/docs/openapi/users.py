"""`/users/me`."""

from __future__ import annotations

from blueprints.docs.openapi import samples
from blueprints.docs.openapi.headers import parameters
from blueprints.docs.openapi.nodes import Node
from blueprints.docs.openapi.operations import forwarded, passed_on
from blueprints.docs.openapi.responses import answered

TAG: Node = {"name": "Users", "description": "The caller's own profile, stored by the user service."}


def paths(max_body: int) -> Node:
    """The paths of the user service; `max_body` in bytes."""
    profile = {"200": answered("The profile.", samples.PROFILE, "Profile")}
    return {
        "/users/me": {
            "parameters": parameters("Traceparent"),
            "get": forwarded(TAG["name"], "readMe", "Read the caller's profile", profile),
            "put": forwarded(
                TAG["name"], "changeMe", "Change the caller's profile", profile,
                body=passed_on(max_body, samples.CHANGES, "ProfileChanges"), writes=True,
            ),
        }
    }  # fmt: skip
