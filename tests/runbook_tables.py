"""The tables of docs/runbook.md that the code has: kinds of failed calls, reasons of refused tokens. Run, it writes
them."""

import re
from collections.abc import Iterator

from harness.repository import ROOT

from gateway.doctor.failed_calls import FAILED_CALLS
from gateway.doctor.token_fixes import TOKEN_FIXES

DOCUMENT = ROOT / "docs" / "runbook.md"
KINDS = "  | kind | cause | what to do |\n  |---|---|---|\n"
REASONS = "  | reason | what to do |\n  |---|---|\n"
OF_SETTINGS = ("audience", "client", "issuer", "subject", "times", "key")
"""The reasons that the alert GatewayTokensUnfit counts."""


def rows_of_kinds() -> Iterator[str]:
    for kind, call in FAILED_CALLS.items():
        yield f"  | `{kind}` | {_marked(call.cause)} | {_marked(call.fix)} |\n"


def rows_of_reasons() -> Iterator[str]:
    for reason in OF_SETTINGS:
        yield f"  | `{reason}` | {_marked(TOKEN_FIXES[reason])} |\n"


def _marked(text: str) -> str:
    """Names of settings, headers and addresses as code, names of alerts as links."""
    text = re.sub(r"(?<!`)\b([A-Z]+(?:_[A-Z]+)+|X-Request-Id|Content-Length|https://)(?!`)", r"`\1`", text)
    return re.sub(r"\b(Gateway[A-Z]\w+)", lambda name: f"[{name[1]}](#{name[1].lower()})", text)


def _replaced(text: str, head: str, rows: Iterator[str]) -> str:
    table = head + "".join(rows)
    return re.sub(re.escape(head) + r"(?:  \|.*\|\n)*", lambda _: table, text)


def written() -> str:
    """The document with the code's tables."""
    text = _replaced(DOCUMENT.read_text(), KINDS, rows_of_kinds())
    return _replaced(text, REASONS, rows_of_reasons())


if __name__ == "__main__":
    DOCUMENT.write_text(written())
