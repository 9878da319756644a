"""`python -m gateway.check`: reports every problem of the configuration."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

from gateway.config import ProblemsFound, Settings, load

STOPPING_SECONDS = 7
"""The time that a stop takes in addition to DRAIN_TIMEOUT: to cut requests, and for the engines to flush and close."""


def listening(settings: Settings) -> dict[str, object]:
    """The settings that gunicorn's configuration needs."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return {
        "bind": f"{host}:{settings.port}",
        "workers": settings.workers,
        "level": settings.log_level,
        "graceful_timeout": math.ceil(settings.drain_timeout) + STOPPING_SECONDS,
    }


def main() -> int:
    """0 with one JSON object on stdout if the settings are valid; 1 with a line for each problem on stderr."""
    try:
        settings, warnings = load()
    except ProblemsFound as found:
        print("The configuration cannot be used:", *found.problems, sep="\n  ", file=sys.stderr)
        if not Path(".env").exists():
            print("There is no .env in the working directory.", file=sys.stderr)
        return 1
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(json.dumps(listening(settings)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
