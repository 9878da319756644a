"""`gateway run`: gunicorn, with the configuration that ships in the package."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

import gateway

CONFIGURATION = "gunicorn.conf.py"


def configuration() -> Path:
    """gunicorn's configuration: the package's own; in a checkout (an editable install) the one beside it."""
    package = Path(gateway.__file__).parent
    shipped = package / CONFIGURATION
    return shipped if shipped.exists() else package.parent / CONFIGURATION


@click.command("run", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run_command(*, arguments: tuple[str, ...]) -> None:
    """Start the gateway here, by .env of the working directory.

    ARGUMENTS are gunicorn's own, such as `--pid FILE`. This process becomes gunicorn's master: SIGHUP reloads, SIGTERM
    stops.
    """
    command = [sys.executable, "-m", "gunicorn", "-c", str(configuration()), *arguments, "wsgi:app"]
    sys.stdout.flush()
    os.execv(sys.executable, command)  # noqa: S606  # the operator's own command line, and no shell
