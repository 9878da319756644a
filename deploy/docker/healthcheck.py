"""The image's health check: 0 when the gateway answers /health/live, where HOST and PORT say that it listens.

They are read as the gateway reads them: from the environment, else from `.env` in the working directory. Only what a
port or an address can be is taken of it, so quotes and comments are no matter.
"""

import http.client
import os
import re
import sys
from pathlib import Path

TIMEOUT = 2.0
"""Seconds; the container engine gives three."""

ANY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


def setting(name: str) -> str:
    """Its value, empty where it has none."""
    if name in os.environ:
        return os.environ[name].strip()
    file = Path(".env")
    text = file.read_text(errors="replace") if file.exists() else ""
    lines = re.findall(rf"^\s*(?:export\s+)?{name}\s*[=:]\s*[\"'`]?([0-9A-Za-z.:-]*)", text, re.MULTILINE)
    return lines[-1] if lines else ""


def main() -> int:
    host = setting("HOST")
    connection = http.client.HTTPConnection(ANY.get(host, host), int(setting("PORT") or 3001), timeout=TIMEOUT)
    try:
        connection.request("GET", "/health/live")
        return int(connection.getresponse().status != 200)
    except OSError as error:
        print(f"no answer at {connection.host}:{connection.port}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
