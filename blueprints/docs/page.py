"""The document as one HTML page, everything in it: no other file, no other host. Without scripts it reads the same."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

import gevent
from flask import current_app

from blueprints.docs import prose
from blueprints.docs.openapi.nodes import JSON, Node
from blueprints.docs.shell import Limits, beginning, curl
from gateway import errors

_SLICE = 1000
"""Pieces of the page, a few milliseconds of work, after which a worker serves others."""

_ERROR = {"$ref": "#/components/schemas/Error"}

_METHODS = ("get", "post", "put", "patch", "delete")
_STYLE = files(__package__).joinpath("page.css").read_text()
_SCRIPT = files(__package__).joinpath("page.js").read_text()


def _hashed(text: str) -> str:
    """As a policy names what stands in the page (CSP Level 3, section 2.3.1)."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def headers(*, console: bool) -> Mapping[str, str]:
    """What the page is answered with: its own style and script alone may be used, and with a `console` the gateway be
    called."""
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
        f" style-src {_hashed(_STYLE)}; script-src {_hashed(_SCRIPT)}"
    )
    calls = "; connect-src 'self'" if console else ""
    return MappingProxyType({"Content-Security-Policy": policy + calls, "Referrer-Policy": "no-referrer"})


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
    body_kind: str
    """The media type of what it takes, empty for nothing, `*/*` for a file."""
    body_sample: str

    @property
    def anchor(self) -> str:
        """Its id in the page."""
        return str(self.operation["operationId"])


def render(document: Node, limits: Limits, *, console: bool) -> str:
    """The page of an OpenAPI document as `openapi.document` writes it. `console`: its calls can be tried there.

    The documents of services can make it long: other requests are served meanwhile.
    """
    calls = list(_calls(document))
    groups = [(tag, [call for call in calls if tag["name"] in call.operation["tags"]]) for tag in document["tags"]]
    pieces = current_app.jinja_env.get_template("page.html").generate(
        document=document,
        groups=groups,
        refusals=_refusals(document),
        style=_STYLE,
        script=_SCRIPT,
        shell=beginning(document["servers"][0]["url"], limits),
        console=console,
        samples=_samples,
        prose=prose.blocks,
        inline=prose.inline,
        pretty=_pretty,
        phrase=_phrase,
    )
    return "".join(_in_turns(pieces))


def _in_turns(pieces: Iterator[str]) -> Iterator[str]:
    for number, piece in enumerate(pieces):
        if number % _SLICE == 0:
            gevent.sleep(0)
        yield piece


def check(document: Node) -> None:
    """Raise what `render` would raise for a document that it cannot show."""
    render(document, Limits(0, "", "", None), console=True)


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
            taken: Node = operation.get("requestBody", {}).get("content", {})
            kind = next(iter(taken), "")
            yield Operation(
                method.upper(),
                path,
                operation,
                parameters,
                {status: _resolved(document, answers[status]) for status in answers if status not in refusals},
                [status for status in refusals if status not in everywhere],
                sorted(everywhere),
                is_open,
                curl(method.upper(), path, operation, parameters, is_open=is_open),
                kind,
                _filled_in(kind, taken.get(kind, {}).get("example")),
            )


def _everywhere(document: Node) -> set[str]:
    """The statuses that every operation has."""
    operations = [item[method] for item in document["paths"].values() for method in _METHODS if method in item]
    return set.intersection(*(set(operation["responses"]) for operation in operations))


def _refusals(document: Node) -> list[tuple[int, Node]]:
    """The gateway's errors among the components, by status."""
    return [
        (samples[0][1]["statusCode"], response)
        for response in document["components"]["responses"].values()
        if (samples := _samples(response)) and response["content"].get(JSON, _ERROR).get("schema") == _ERROR
    ]


def _samples(body: Node) -> list[tuple[str, Any]]:
    """(summary, value) of every example in a request body or response."""
    found = []
    for media in body.get("content", {}).values():
        if "example" in media:
            found.append(("", media["example"]))
        found += [
            (example.get("summary", ""), example["value"])
            for example in media.get("examples", {}).values()
            if "value" in example
        ]
    return found


def _filled_in(kind: str, example: Any) -> str:
    """What a form has for a body to begin with."""
    if kind == JSON:
        return _pretty(example)
    return urlencode(example) if isinstance(example, dict) else ""


def _pretty(value: Any, indent: int | None = 2) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=indent, ensure_ascii=False)


def _phrase(status: str) -> str:
    """Empty for a range of statuses, and for one without a registered name."""
    try:
        return errors.reason(int(status))
    except ValueError:
        return ""
