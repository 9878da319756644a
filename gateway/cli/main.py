"""`gateway`: one command for who runs the gateway. What a subcommand needs is imported when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from gateway.version import COMMIT, VERSION

SUBCOMMANDS = {
    "check": "gateway.cli.checking:check_command",
    "env": "gateway.cli.example:env_command",
    "run": "gateway.cli.running:run_command",
}
"""Subcommand → where it is: `module:name`."""


class LazyGroup(click.Group):
    """A group whose subcommands are imported when one is asked for: what one needs is not what `run` needs."""

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
    """The API gateway: start it, check its settings.

    Settings are read from the environment and from .env in the working directory.

    Exit status: 0 where all is well, 1 where there is a problem, 2 where there are only warnings and --strict is given
    (also for a command line that cannot be understood).
    """


def console() -> None:
    """The console script."""
    cli(prog_name="gateway")
