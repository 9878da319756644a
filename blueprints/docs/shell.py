"""The description's calls as lines for a shell, and what these need: address, token, and the limits they meet."""

from __future__ import annotations

import json
from dataclasses import dataclass
from shlex import quote
from urllib.parse import quote as percent_encoded

from blueprints.docs.openapi.nodes import JSON, Node

_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Limits:
    """What calls meet here: the largest body in bytes, how many there may be, in words, and `media`, both for files,
    where there is a service for them."""

    body: int
    calls: str
    sign_ins: str
    media: tuple[int, str] | None


def beginning(url: str, limits: Limits) -> str:
    """What goes before the calls."""
    return "\n".join(
        (
            f"GATEWAY={quote(url)}",
            "TOKEN=…  # an access token",
            f"# a body has at most {limits.body:,} bytes; a user makes {limits.calls}",
            *([f"# on /media it is {limits.media[0]:,} bytes and {limits.media[1]}"] if limits.media else []),
            f"# /auth/login, /auth/callback, /auth/refresh: {limits.sign_ins}, each",
        )
    )


def curl(method: str, path: str, operation: Node, parameters: list[Node], *, is_open: bool) -> str:
    """A call that can be copied; `$GATEWAY` and `$TOKEN` are the reader's. `is_open`: it needs no token.

    Whatever a service's description says is text for the shell, never a command.
    """
    for parameter in parameters:
        if parameter["in"] == "path":
            value = percent_encoded(str(parameter.get("example", parameter["name"])), safe="")
            path = path.replace("{" + parameter["name"] + "}", value)
    parts = [f'curl {"" if method == "GET" else f"-X {method} "}"$GATEWAY"{quote(path)}']
    if not is_open:
        parts.append('-H "Authorization: Bearer $TOKEN"')
    for media_type, body in operation.get("requestBody", {}).get("content", {}).items():
        example = body.get("example")
        if media_type == _FORM and isinstance(example, dict):
            parts += [f"--data-urlencode {quote(f'{name}={value}')}" for name, value in example.items()]
        elif media_type == JSON:
            sent = "@body.json" if example is None else json.dumps(example, ensure_ascii=False)
            parts += ["-H 'Content-Type: application/json'", f"-d {quote(sent)}"]
        else:
            parts.append("-T ./file" if method == "PUT" else "--data-binary @file")
    return " \\\n  ".join(parts)
