"""The small pieces of an OpenAPI document that every other module writes with."""

from __future__ import annotations

from typing import Any

Node = dict[str, Any]
"""A JSON object of the document."""

JSON = "application/json"


def ref(kind: str, name: str) -> Node:
    """A reference to a component: `ref("schemas", "Error")`."""
    return {"$ref": f"#/components/{kind}/{name}"}


def content(schema: Node, example: object, media_type: str = JSON) -> Node:
    """The `content` of a body of one media type, with one example."""
    return {media_type: {"schema": schema, "example": example}}


def text(description: str, example: str, **constraints: Any) -> Node:
    """A header with a string in it."""
    return {"description": description, "schema": {"type": "string", **constraints}, "example": example}
