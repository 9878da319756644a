"""`.env` files as node's dotenv reads them (its 16th version): the NestJS gateway's file must mean the same here.

python-dotenv differs: it keeps the `#` of `ab#cd`, does not support backticks as quotes, and expands `${A}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

# The one expression of dotenv's lib/main.js.
_LINE = re.compile(
    r"""^[\s\ufeff]*(?:export[\s\ufeff]+)?([A-Za-z0-9_.-]+)(?:[\s\ufeff]*=[\s\ufeff]*?|:[\s\ufeff]+?)"""
    r"""(\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^#\r\n]+)?\s*(?:\#.*)?(?:$|\Z)""",
    re.MULTILINE,
)
_QUOTED = re.compile(r"""^(['"`])([\s\S]*)\1$""", re.MULTILINE)


def parse(text: str) -> dict[str, str]:
    """Names and values of a `.env` file's text; the last assignment of a name is used, other lines are ignored."""
    values = {}
    for name, raw in _LINE.findall(re.sub(r"\r\n?", "\n", text)):
        value = raw.strip().strip("\ufeff")
        double = value.startswith('"')
        value = _QUOTED.sub(r"\2", value)
        if double:
            value = value.replace("\\n", "\n").replace("\\r", "\r")
        values[name] = value
    return values


def read(path: Path, content_of: Callable[[Path], bytes] = Path.read_bytes) -> dict[str, str]:
    """The values of the file at `path`; empty if there is none. Raises OSError if it cannot be read, and
    UnicodeDecodeError."""
    try:
        return parse(content_of(path).decode("utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
