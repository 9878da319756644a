"""Findings on a terminal, and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import click

from gateway.cli.status import counted
from gateway.doctor import Finding, Verdict

_MARKS: Mapping[Verdict, tuple[str, str]] = MappingProxyType(
    {
        Verdict.OK: ("ok     ", "green"),
        Verdict.UNKNOWN: ("unknown", "cyan"),
        Verdict.WARNING: ("warning", "yellow"),
        Verdict.PROBLEM: ("PROBLEM", "red"),
    }
)
_INDENT = " " * 9


def print_findings(findings: Iterable[Finding]) -> None:
    """Each finding: a line where all is well, else with what was expected and what to do."""
    for finding in findings:
        mark, colour = _MARKS[finding.verdict]
        check = click.style(_harmless(finding.check), bold=True)
        click.echo(f"{click.style(mark, fg=colour)}  {check}: {_harmless(finding.found)}")
        for title, text in (("expected", finding.expected), ("do", finding.fix)):
            if text:
                click.echo(f"{_INDENT}{click.style(title, dim=True)}: {_harmless(text)}")


def _harmless(text: str) -> str:
    """Claims and the words of peers may hold line breaks and a terminal's escape sequences: they are shown escaped."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def tally(findings: Sequence[Finding]) -> Counter[Verdict]:
    """How many of each verdict."""
    return Counter(finding.verdict for finding in findings)


def summary(findings: Sequence[Finding]) -> str:
    """One line."""
    counts = tally(findings)
    problems, warnings = counts[Verdict.PROBLEM], counts[Verdict.WARNING]
    colour = "red" if problems else "yellow" if warnings else "green"
    text = f"{counted(problems, 'problem')}, {counted(warnings, 'warning')}"
    return f"{click.style(text, fg=colour)}, {counts[Verdict.OK]} ok, {counts[Verdict.UNKNOWN]} unknown."


def as_rows(findings: Iterable[Finding]) -> list[dict[str, str]]:
    """For programs: the fields of a finding, the empty ones left out."""
    rows = (
        {
            "check": finding.check,
            "verdict": str(finding.verdict),
            "found": finding.found,
            "expected": finding.expected,
            "fix": finding.fix,
        }
        for finding in findings
    )
    return [{name: value for name, value in row.items() if value} for row in rows]
