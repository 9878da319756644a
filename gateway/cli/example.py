"""`gateway env`: every setting, as a file to copy."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gateway.cli.status import PROBLEM_STATUS
from gateway.config.example import written

DEFAULT = Path(".env.example")


@click.command("env")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), default=DEFAULT)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def env_command(*, file: Path, force: bool) -> None:
    """Write .env.example: every setting with its default and meaning.

    FILE is another place, `-` standard output. A file that is there is left alone, but for .env.example itself.
    """
    if str(file) == "-":
        click.echo(written(), nl=False)
        return
    if file.exists() and not force and file.name != DEFAULT.name:
        click.echo(f"{file} is there already: name another file, or say --force.", err=True)
        sys.exit(PROBLEM_STATUS)
    try:
        file.write_text(written(), encoding="utf-8")
    except OSError as error:
        click.echo(f"{file} cannot be written: {error.strerror}", err=True)
        sys.exit(PROBLEM_STATUS)
    click.echo(f"{file}: copy it to .env and fill in what is required.")
