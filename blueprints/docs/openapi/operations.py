"""Operations: those that are forwarded to a service, and those that the gateway answers itself."""

from __future__ import annotations

from collections.abc import Mapping

from blueprints.docs.openapi.nodes import JSON, Node, content, ref
from blueprints.docs.openapi.responses import (
    ANYWHERE,
    OF_COUNTING,
    OF_FORWARDING,
    OF_WRITING,
    answered,
    empty,
    refused,
    refused_or_passed_on,
)


def forwarded(
    tag: str,
    operation_id: str,
    summary: str,
    answers: Mapping[str, Node],
    *,
    body: Node | None = None,
    writes: bool = False,
    parameters: list[Node] | None = None,
) -> Node:
    """A call that a service answers: `answers` are its known responses; the gateway's errors are added.
    `writes`: it changes something, so it is refused from a page of another site."""
    operation: Node = {"operationId": operation_id, "summary": summary, "tags": [tag]}
    if parameters:
        operation["parameters"] = parameters
    if body:
        operation["requestBody"] = body
    operation["responses"] = {
        **answers,
        **refused_or_passed_on(*ANYWHERE, *OF_COUNTING, *OF_FORWARDING, *(OF_WRITING if writes else ())),
        "default": ref("responses", "OfTheService"),
    }
    return operation


def own(
    tag: str, operation_id: str, summary: str, answers: Mapping[str, Node], *, free: bool = False, **more: object
) -> Node:
    """A call that the gateway answers itself, public unless `more` says otherwise. `free`: no rate limit."""
    return {
        "operationId": operation_id,
        "summary": summary,
        "tags": [tag],
        "security": [],
        **more,
        "responses": {**answers, **refused(*ANYWHERE, *(() if free else OF_COUNTING))},
    }


def everything(tag: str, suffix: str, what: str, limit: int) -> Node:
    """All methods of a path whose bodies the service defines; `limit` in bytes, `suffix` makes the ids unique."""
    sample = {"text": "…"}
    body = passed_on(limit, sample)
    read, done = answered("The service's response.", sample), answered("Success.", sample)
    created, gone = answered("Created.", sample), empty("Deleted.")

    def writes(verb: str, answers: Node, body: Node | None = None) -> Node:
        return forwarded(tag, f"{verb}{suffix}", f"{verb.capitalize()} {what}", answers, body=body, writes=True)

    return {
        "get": forwarded(tag, f"read{suffix}", f"Read {what}", {"200": read}),
        "post": writes("create", {"200": done, "201": created}, body),
        "put": writes("replace", {"200": done, "201": created}, body),
        "patch": writes("change", {"200": done}, body),
        "delete": writes("delete", {"200": done, "204": gone}),
    }


def passed_on(limit: int, example: object, schema: str = "Forwarded", media_type: str = JSON) -> Node:
    """A request body of at most `limit` bytes that reaches the service unchanged; `schema` is the usual one."""
    return {
        "description": f"Any content type, up to {limit:,} bytes: the service decides what it accepts.",
        "required": False,
        "content": content(ref("schemas", schema), example, media_type),
    }
