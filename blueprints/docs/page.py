"""The document as one HTML page, everything in it: no script, no other file, no other host."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from flask import render_template

from blueprints.docs import prose
from blueprints.docs.openapi.nodes import Node
from gateway import errors

_ERROR = {"$ref": "#/components/schemas/Error"}

_METHODS = ("get", "post", "put", "patch", "delete")
_STYLE = files(__package__).joinpath("page.css").read_text()

PAGE_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none';"
        f" frame-ancestors 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'",
        "Referrer-Policy": "no-referrer",
    }
)
"""What the page is answered with: nothing but its own style may be used."""


@dataclass(frozen=True)
class Operation:
    """One operation, with its references resolved: its own `answers`, the statuses of the gateway's `refusals` that it
    may get, and of those that any call may get."""

    method: str
    path: str
    operation: Node
    parameters: list[Node]
    answers: dict[str, Node]
    refusals: list[str]
    anywhere: list[str]
    is_open: bool
    curl: str

    @property
    def anchor(self) -> str:
        """Its id in the page."""
        return str(self.operation["operationId"])


def render(document: Node) -> str:
    """The page of an OpenAPI document as `openapi.document` writes it."""
    calls = list(_calls(document))
    groups = [(tag, [call for call in calls if tag["name"] in call.operation["tags"]]) for tag in document["tags"]]
    return render_template(
        "page.html",
        document=document,
        groups=groups,
        refusals=_refusals(document),
        style=_STYLE,
        samples=_samples,
        prose=prose.blocks,
        inline=prose.inline,
        pretty=_pretty,
        phrase=_phrase,
    )


def _resolved(document: Node, node: Node) -> Node:
    """What a node refers to by its `$ref`, or the node."""
    if "$ref" not in node:
        return node
    found = document
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found


def _calls(document: Node) -> Iterator[Operation]:
    everywhere = _everywhere(document)
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method not in item:
                continue
            operation = item[method]
            answers = operation["responses"]
            refusals = [status for status, answer in answers.items() if status.isdigit() and "$ref" in answer]
            named = [*item.get("parameters", ()), *operation.get("parameters", ())]
            parameters = [_resolved(document, parameter) for parameter in named]
            security = operation.get("security", document["security"])
            is_open = not security or {} in security
            yield Operation(
                method.upper(),
                path,
                operation,
                parameters,
                {status: _resolved(document, answers[status]) for status in answers if status not in refusals},
                [status for status in refusals if status not in everywhere],
                sorted(everywhere),
                is_open,
                _curl(method.upper(), path, operation, parameters, is_open=is_open),
            )


def _everywhere(document: Node) -> set[str]:
    """The statuses that every operation has."""
    operations = [item[method] for item in document["paths"].values() for method in _METHODS if method in item]
    return set.intersection(*(set(operation["responses"]) for operation in operations))


def _curl(method: str, path: str, operation: Node, parameters: list[Node], *, is_open: bool) -> str:
    """A call that can be copied; `$GATEWAY` and `$TOKEN` are the reader's."""
    for parameter in parameters:
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", parameter["example"])
    parts = [f'curl {"" if method == "GET" else f"-X {method} "}"$GATEWAY{path}"']
    if not is_open:
        parts.append('-H "Authorization: Bearer $TOKEN"')
    for media_type, body in operation.get("requestBody", {}).get("content", {}).items():
        if media_type == "application/x-www-form-urlencoded":
            parts += [f"--data-urlencode '{name}={value}'" for name, value in body["example"].items()]
        elif media_type == "application/json":
            parts += ["-H 'Content-Type: application/json'", f"-d '{json.dumps(body['example'], ensure_ascii=False)}'"]
        else:
            parts.append("-T ./file" if method == "PUT" else "--data-binary @file")
    return " \\\n  ".join(parts)


def _refusals(document: Node) -> list[tuple[int, Node]]:
    """The gateway's errors among the components, by status."""
    return [
        (samples[0][1]["statusCode"], response)
        for response in document["components"]["responses"].values()
        if (samples := _samples(response)) and response["content"]["application/json"]["schema"] == _ERROR
    ]


def _samples(body: Node) -> list[tuple[str, Any]]:
    """(summary, value) of every example in a request body or response."""
    found = []
    for media in body.get("content", {}).values():
        if "example" in media:
            found.append(("", media["example"]))
        found += [(example["summary"], example["value"]) for example in media.get("examples", {}).values()]
    return found


def _pretty(value: Any, indent: int | None = 2) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=indent, ensure_ascii=False)


def _phrase(status: str) -> str:
    return errors.reason(int(status)) if status.isdigit() else ""
