"""`/openapi.json` and `/docs`: the description describes itself."""

from __future__ import annotations

from blueprints.docs.openapi.headers import fields, parameters
from blueprints.docs.openapi.nodes import JSON, Node, content
from blueprints.docs.openapi.operations import own
from blueprints.docs.openapi.responses import empty

TAG: Node = {"name": "Description", "description": "This API, for programs and for people; public."}

_DOCUMENT: Node = {
    "type": "object",
    "description": "An OpenAPI document.",
    "required": ["openapi", "info", "paths", "components"],
    "properties": {"openapi": {"type": "string", "pattern": r"^3\.1\."}},
}
_SHORT: Node = {"openapi": "3.1.0", "info": {"title": "…", "version": "1"}, "paths": {}, "components": {}}


def paths() -> Node:
    """The paths of the description."""
    document = content(_DOCUMENT, _SHORT, JSON)
    page = content({"type": "string"}, "<!doctype html>…", "text/html")
    return {
        "/openapi.json": {"get": _form("openapi", "This document", document)},
        "/docs": {"get": _form("docs", "This document as a page", page, "Content-Security-Policy")},
    }


def _form(operation_id: str, summary: str, body: Node, *headers: str) -> Node:
    answers = {
        "200": {
            "description": "The description for the configuration of this deployment.",
            "headers": fields("Cache-Control", "ETag", *headers),
            "content": body,
        },
        "304": empty("The client has the current version.", "Cache-Control", "ETag", *headers),
    }
    return own(TAG["name"], operation_id, summary, answers, parameters=parameters("IfNoneMatch"))
