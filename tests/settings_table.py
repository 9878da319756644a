"""The table of docs/settings.md, made of the settings in the code; as a program, it writes that table."""

import re
from typing import Any

from harness.repository import ROOT

from gateway.config import example
from gateway.config.example import expected
from gateway.config.names import ROWS, SettingRow

DOCUMENT = ROOT / "docs" / "settings.md"
HEAD = "| setting | default | expected | meaning |\n|---|---|---|---|\n"
_TABLE = re.compile(re.escape(HEAD) + r"(?:\|.*\|\n)*")


def shown(default: Any) -> str:
    """A default as it would be written in the environment."""
    text = example.default_text(default)
    return f"`{text}`" if text else "unset"


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
