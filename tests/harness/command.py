"""The command `gateway`, called in this process: its settings are GOOD's and what a test changes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner

from gateway.cli.main import cli
from gateway.config.names import NAMES
from harness.environment import GOOD
from harness.gateway import NOBODY
from harness.ports import free_port


@dataclass(frozen=True)
class Ran:
    """How it ended, and what it wrote."""

    status: int
    output: str

    def json(self) -> Any:
        return json.loads(self.output)


def run(
    *arguments: str, env: Mapping[str, str | None] | None = None, stdin: str | bytes = "", good: bool = True
) -> Ran:
    """`gateway ARGUMENTS` in the working directory; `good=False`: without GOOD's settings."""
    settings = {**dict.fromkeys(NAMES), **(GOOD if good else {}), **(env or {})}
    result = CliRunner().invoke(cli, arguments, input=stdin, env=settings)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.output)


def looked_at(group: str, env: Mapping[str, str], *arguments: str) -> dict[str, dict[str, Any]]:
    """What `gateway doctor` finds in one group, by check; only what `env` names is there."""
    away = {
        "PORT": str(free_port()), "NODE_ENV": "development", "KEYCLOAK_ISSUER_URL": NOBODY + "/realms/r",
        "KEYCLOAK_REDIRECT_URI": NOBODY + "/auth/callback", "USER_SERVICE_URL": NOBODY,
        "INTERVIEW_SERVICE_URL": NOBODY,
    }  # fmt: skip
    ran = run("doctor", "--json", *arguments, env={**away, **env})
    return {row["check"]: row for row in ran.json()["groups"][group]}
