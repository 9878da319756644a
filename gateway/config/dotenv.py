"""`.env` files as node's dotenv reads them (its 16th version): the NestJS gateway's file must mean the same here.

python-dotenv differs where it counts: there `ab#cd` keeps its `#`, backticks are no quotes, `${A}` is expanded.
"""

from __future__ import annotations

import re
from pathlib import Path

# The one expression of dotenv's lib/main.js.
_LINE = re.compile(
    r"""^[\s\ufeff]*(?:export[\s\ufeff]+)?([A-Za-z0-9_.-]+)(?:[\s\ufeff]*=[\s\ufeff]*?|:[\s\ufeff]+?)"""
    r"""(\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^#\r\n]+)?\s*(?:\#.*)?(?:$|\Z)""",
    re.MULTILINE,
)
_QUOTED = re.compile(r"""^(['"`])([\s\S]*)\1$""", re.MULTILINE)


def parse(text: str) -> dict[str, str]:
    """Names and values of a `.env` text; a later line wins. A line that is no assignment is passed over, as there."""
    values = {}
    for name, raw in _LINE.findall(re.sub(r"\r\n?", "\n", text)):
        value = raw.strip().strip("\ufeff")
        double = value.startswith('"')
        value = _QUOTED.sub(r"\2", value)
        if double:
            value = value.replace("\\n", "\n").replace("\\r", "\r")
        values[name] = value
    return values


def read(path: Path) -> dict[str, str]:
    """The values of the file at `path`; none where there is no such file. OSError where it can not be read."""
    try:
        return parse(path.read_text(encoding="utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
