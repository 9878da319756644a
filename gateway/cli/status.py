"""What a command ends with, and how a line of it looks on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import click

PROBLEM_STATUS = 1
WARNING_STATUS = 2

GIVEN_BYTES = 1 << 20
"""So much of standard input is read, which may have no end: far more than any token that is accepted."""

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def machine_options(command: Decorated) -> Decorated:
    """The options that every command which judges has."""
    as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output, for programs.")
    strict = click.option("--strict", is_flag=True, help="End with 2 where there are warnings and no problems.")
    return as_json(strict(command))


def given(text: str) -> str:
    """A token (without `Bearer `) or a trace id. `-`: from standard input, so that it is in no list of processes."""
    if text == "-":
        text = sys.stdin.buffer.read(GIVEN_BYTES).decode("utf-8", "replace")
    return text.strip().removeprefix("Bearer ").strip()


def leave(*, problems: int, warnings: int, strict: bool) -> NoReturn:
    """End with the status that these numbers mean."""
    if problems:
        sys.exit(PROBLEM_STATUS)
    sys.exit(WARNING_STATUS if strict and warnings else 0)


def print_json(found: object) -> None:
    """For programs, in ASCII: nothing that a peer says reaches a terminal as it is."""
    click.echo(json.dumps(found, indent=1))


def counted(number: int, what: str) -> str:
    """`1 problem`, `2 problems`."""
    return f"{number} {what}{'' if number == 1 else 's'}"
