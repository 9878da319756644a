"""`gateway check`: are the settings fit to start with?"""

from __future__ import annotations

from pathlib import Path

import click

from gateway.check import checked, listening
from gateway.cli.status import counted, leave, machine_options, print_json
from gateway.config import Problem


@click.command("check")
@machine_options
def check_command(*, as_json: bool, strict: bool) -> None:
    """Are the settings fit to start with?

    Says everything that is wrong with them at once, as the start does before it binds a port. Calls nobody: `gateway
    doctor` asks Keycloak and all others too.
    """
    found = checked()
    if as_json:
        print_json(
            {
                "problems": [_row(problem) for problem in found.problems],
                "warnings": [_row(warning) for warning in found.warnings],
                "listening": listening(found.settings) if found.settings else None,
            }
        )
    else:
        for problem in found.problems:
            click.echo(f"{click.style('problem', fg='red', bold=True)}  {problem}")
        for warning in found.warnings:
            click.echo(f"{click.style('warning', fg='yellow')}  {warning}")
        if found.problems and not Path(".env").exists():
            click.echo("There is no .env in the working directory.")
        _summary(len(found.problems), len(found.warnings))
    leave(problems=len(found.problems), warnings=len(found.warnings), strict=strict)


def _row(problem: Problem) -> dict[str, str]:
    return {"setting": problem.name, "advice": problem.advice}


def _summary(problems: int, warnings: int) -> None:
    if problems:
        text, colour = "The configuration cannot be used", "red"
    else:
        text, colour = "The configuration can be used", "green"
    click.echo(f"{click.style(text, fg=colour)}: {counted(problems, 'problem')}, {counted(warnings, 'warning')}.")
