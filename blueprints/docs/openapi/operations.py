"""Operations of the two kinds there are: forwarded to a service, and answered by the gateway itself."""

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
    """A call that a service answers: `answers` are what it is known to say, the gateway's errors come with it.
    `writes`: it changes something, so that a foreign page's is refused."""
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
    """A call that the gateway answers itself, for everybody where `more` says nothing else. `free`: no rate limit."""
    return {
        "operationId": operation_id,
        "summary": summary,
        "tags": [tag],
        "security": [],
        **more,
        "responses": {**answers, **refused(*ANYWHERE, *(() if free else OF_COUNTING))},
    }


def everything(tag: str, suffix: str, what: str, limit: int) -> Node:
    """All methods of a path whose bodies only the service knows; `limit` in bytes, `suffix` tells their ids apart."""
    sample = {"text": "…"}
    body = passed_on(limit, sample)
    read, done = answered("What the service says.", sample), answered("It is done.", sample)
    created, gone = answered("It is created.", sample), empty("It is no more.")

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
    """A request body of at most `limit` bytes that goes to the service as it is; `schema` is what it usually is."""
    return {
        "description": f"Any bytes of any type, up to {limit:,}: the service decides what it takes.",
        "required": False,
        "content": content(ref("schemas", schema), example, media_type),
    }
