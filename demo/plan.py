"""Who runs where: the parts of the demo, as its ``.env`` places them."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).parent
ROOT = HERE.parent
GUNICORN = (sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app")

Environment = dict[str, str]


@dataclass(frozen=True)
class Part:
    """One process. It is ready when ``ready`` answers below 500."""

    name: str
    port: int
    command: tuple[str, ...]
    ready: str


def read_environment(shift: int = 0) -> Environment:
    """The settings in ``.env``, every port in them moved by ``shift``."""
    lines = (HERE / ".env").read_text(encoding="utf-8").splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    settings["PORT"] = str(int(settings["PORT"]) + shift)
    return {name: _shifted(value, shift) for name, value in settings.items()}


def parts(environment: Environment) -> tuple[Part, ...]:
    """All parts in the order of their start, the gateway last."""
    return (
        _part("identity", environment["KEYCLOAK_ISSUER_URL"], "/.well-known/openid-configuration"),
        _part("users", environment["USER_SERVICE_URL"], "/health"),
        _part("interviews", environment["INTERVIEW_SERVICE_URL"], "/health"),
        _part("media", environment["MEDIA_SERVICE_URL"], "/health"),
        _part("frontend", environment["FRONTEND_URL"], "/config.js"),
        Part("gateway", int(environment["PORT"]), GUNICORN, f"{gateway_url(environment)}/health/ready"),
    )


def gateway_url(environment: Environment) -> str:
    return f"http://localhost:{environment['PORT']}"


def _part(name: str, url: str, ready: str) -> Part:
    return Part(name, urlsplit(url).port or 80, (sys.executable, "-m", "demo.part", name), url + ready)


def _shifted(value: str, shift: int) -> str:
    return re.sub(r"(?<=//localhost:)\d+", lambda port: str(int(port[0]) + shift), value)
