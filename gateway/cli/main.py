"""`gateway`: one command for who runs the gateway. What a subcommand needs is imported when it is called."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import click

from gateway.cli.status import PROBLEM_STATUS
from gateway.version import COMMIT, VERSION

SUBCOMMANDS = {
    "check": "gateway.cli.checking:check_command",
    "doctor": "gateway.cli.doctoring:doctor_command",
    "env": "gateway.cli.example:env_command",
    "explain": "gateway.cli.explaining:explain_command",
    "run": "gateway.cli.running:run_command",
}
"""Subcommand → where it is: `module:name`."""


class LazyGroup(click.Group):
    """A group whose subcommands are imported when one is asked for: the doctor's libraries are not what `run` needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, in the order of the help."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand, None where there is none of that name."""
        module, _, name = SUBCOMMANDS.get(cmd_name, "").partition(":")
        if not module:
            return None
        found: Any = getattr(import_module(module), name)
        return found if isinstance(found, click.Command) else None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, message=f"%(version)s (commit {COMMIT})")
def cli() -> None:
    """The API gateway: start it, check its settings, look at the whole deployment.

    Settings are read from the environment and from .env in the working directory.

    Exit status: 0 where all is well, 1 where there is a problem, 2 where there are only warnings and --strict is given
    (also for a command line that cannot be understood).
    """


def console() -> None:
    """The console script. Its process is gevent's from the beginning: the doctor asks everybody at once."""
    from gevent import monkey
    from gevent.hub import Hub

    monkey.patch_all()
    # The main greenlet gets Ctrl-C, and click says so: the hub need not print it before.
    Hub.NOT_ERROR = (*Hub.NOT_ERROR, KeyboardInterrupt)
    try:
        cli(prog_name="gateway")
    except OSError as error:  # a full disk under standard output, say
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left of the output would fail again at the exit
        place = f": {error.filename}" if error.filename else ""
        click.echo(f"gateway: {error.strerror or type(error).__name__}{place}", err=True)
        sys.exit(PROBLEM_STATUS)
