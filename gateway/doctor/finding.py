"""One thing that was looked at: what was expected, what was found, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.config import Problem


class Verdict(StrEnum):
    """How it is. UNKNOWN: it cannot be told from here, and why."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` names what was looked at; `found` is never a secret; `fix` is a setting, a command or a click path."""

    check: str
    verdict: Verdict
    found: str
    expected: str = ""
    fix: str = ""


def good(check: str, found: str) -> Finding:
    """As it should be."""
    return Finding(check, Verdict.OK, found)


def unknown(check: str, why: str, fix: str = "") -> Finding:
    """Not to be told from here."""
    return Finding(check, Verdict.UNKNOWN, why, "", fix)


def questionable(check: str, found: str, expected: str, fix: str) -> Finding:
    """It works, and seldom is meant; or it could not be looked at, and should have been."""
    return Finding(check, Verdict.WARNING, found, expected, fix)


def bad(check: str, found: str, expected: str, fix: str) -> Finding:
    """Something will not work."""
    return Finding(check, Verdict.PROBLEM, found, expected, fix)


def of_warning(warning: Problem) -> Finding:
    """A setting that is valid but doubtful."""
    return questionable(warning.name, "doubtful", "", warning.advice)
