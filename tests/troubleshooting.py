"""The table of misconfigurations as the tests have it; run, it writes docs/troubleshooting.md."""

import re

from harness.misconfigurations import SHOWN, START, Misconfiguration
from harness.repository import ROOT

DOCUMENT = ROOT / "docs" / "troubleshooting.md"
HEAD = "| misconfiguration | effect | reported by | message |\n|---|---|---|---|\n"
_TABLE = re.compile(re.escape(HEAD) + r"(?:\|.*\|\n)*")


def row(case: Misconfiguration) -> str:
    who = "the start, `gateway check`" if case.by == START else "`gateway doctor`"
    found = f" … {case.says} …" if case.says else ""
    return f"| {case.title} | {case.sees} | {who} | {shown(case.check)}:{shown(found)} … {shown(case.fix)} … |\n"


def shown(text: str) -> str:
    """As a cell may have it."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def table() -> str:
    return HEAD + "".join(map(row, SHOWN))


def written() -> str:
    """The document with its table as the tests have it."""
    return _TABLE.sub(lambda _: table(), DOCUMENT.read_text())


if __name__ == "__main__":
    DOCUMENT.write_text(written())
