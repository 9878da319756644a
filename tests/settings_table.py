"""The table of docs/settings.md, made of the settings in the code; as a program, it writes that table."""

import re
from functools import cache
from typing import Any

from harness.repository import ROOT

from gateway.config import ProblemsFound, load
from gateway.config.names import NAMES, ROWS, SECRETS, SettingRow

DOCUMENT = ROOT / "docs" / "settings.md"
HEAD = "| setting | default | expected | meaning |\n|---|---|---|---|\n"
_TABLE = re.compile(re.escape(HEAD) + r"(?:\|.*\|\n)*")
_UNREADABLE = "?"


@cache
def expected() -> dict[str, str]:
    """Name → what the gateway expected, of all settings that refuse a question mark."""
    try:
        load(dict.fromkeys(NAMES, _UNREADABLE), ROOT / "tests")
    except ProblemsFound as found:
        return {
            problem.name: problem.advice.removeprefix("expected ")
            for problem in found.problems
            if problem.name not in SECRETS or problem.advice.startswith("expected ")
        }
    raise AssertionError("a question mark must be refused")


def shown(default: Any) -> str:
    """A default as it would be written in the environment."""
    if default is None or default == ():
        return "unset"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return f"`{','.join(default)}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def written_row(row: SettingRow) -> str:
    setting = f"`{row.name}`" + (f" or `{row.name}_FILE`" if row.secret else "")
    default = "**required**" if row.required else shown(row.default)
    kind = expected().get(row.name) or ("a secret" if row.secret else "a string")
    return f"| {setting} | {default} | {kind} | {row.description} |\n"


def table() -> str:
    return HEAD + "".join(map(written_row, ROWS))


def written() -> str:
    """The document with the table of the code."""
    return _TABLE.sub(lambda _: table(), DOCUMENT.read_text())


if __name__ == "__main__":
    DOCUMENT.write_text(written())
