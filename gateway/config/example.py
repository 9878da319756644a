"""`.env.example`: every setting of the table with its default, what is expected and what it is for."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from textwrap import fill
from types import MappingProxyType
from typing import Any

from gateway.config.load import load
from gateway.config.names import NAMES, ROWS, SECRETS, SettingRow
from gateway.config.problem import ProblemsFound

_UNREADABLE = "?"
_NO_FOLDER = Path(os.devnull)
"""Below it is no `.env`."""

_LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")
_HEAD = """\
# Every setting of the gateway, as `gateway env` writes it. Copy to .env, which is read in the working directory; the
# environment goes over it. Settings with a # before their name have the default that stands there; the others
# are required. A secret can be in a file of its own: <NAME>_FILE=/path. `gateway check` says what is wrong.
"""


@cache
def expected() -> Mapping[str, str]:
    """name → what the gateway says it expected, of all whose kind refuses a question mark."""
    try:
        load(dict.fromkeys(NAMES, _UNREADABLE), _NO_FOLDER)
    except ProblemsFound as found:
        return MappingProxyType(
            {
                problem.name: problem.advice.removeprefix("expected ")
                for problem in found.problems
                if problem.name not in SECRETS or problem.advice.startswith("expected ")
            }
        )
    raise AssertionError("a question mark is no good configuration")


def default_text(default: Any) -> str:
    """A default as it would stand in the environment, empty where there is none."""
    if default is None or default == ():
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return ",".join(default)
    return f"{default:g}" if isinstance(default, float) else str(default)


def written() -> str:
    """The whole file."""
    return "\n".join([_HEAD, *map(_entry, ROWS)])


def _entry(row: SettingRow) -> str:
    kind = expected().get(row.name)
    said = _LINK.sub(r"\1", row.description).replace("`", "")
    told = [said, *([f"Expected: {kind}."] if kind else []), *(["Required."] if row.required else [])]
    value = "" if row.required else _quoted(default_text(row.default))
    comment = fill(" ".join(told), 118, initial_indent="# ", subsequent_indent="# ", break_long_words=False)
    return f"{comment}\n{'' if row.required else '#'}{row.name}={value}\n"


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value else value
