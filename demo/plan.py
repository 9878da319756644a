"""Who runs where: the parts of the demo, as its ``.env`` places them."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).parent
ROOT = HERE.parent
FROM_SHELL = ("LOG_LEVEL",)
"""Settings that the shell's environment overrides: ``LOG_LEVEL=debug make demo``."""
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
    """The settings in ``.env``, or of the shell for ``FROM_SHELL``, every port in them moved by ``shift``."""
    lines = (HERE / ".env").read_text(encoding="utf-8").splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    settings["PORT"] = str(int(settings["PORT"]) + shift)
    settings |= {name: os.environ[name] for name in FROM_SHELL if os.environ.get(name)}
    return {name: _shifted(value, shift) for name, value in settings.items()}


# A page that is being worked on loads itself again with every change.
ROOMY = {
    "RATE_LIMIT_DEFAULT": "100000 per minute",
    "RATE_LIMIT_MEDIA": "100000 per minute",
    "RATE_LIMIT_AUTH": "1000 per minute",
}


def with_frontend(environment: Environment, url: str) -> Environment:
    """The settings for somebody's own frontend at ``url``; ``ValueError`` where that is no address of one.

    A path in it (``http://localhost:5173/api``) is one that the frontend's server passes on to the gateway, without the
    path: the browser then knows one origin. Without a path it calls the gateway's own.
    """
    parts = urlsplit(url.rstrip("/"))
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{url} is no address of a frontend: http://localhost:5173, or http://localhost:5173/api")
    public = {"PUBLIC_URL": parts.geturl(), "KEYCLOAK_REDIRECT_URI": f"{parts.geturl()}/auth/callback"}
    origin = f"{parts.scheme}://{parts.netloc}"
    return {**environment, **ROOMY, "FRONTEND_URL": origin, "DEMO_FRONTEND": "theirs", **(public if parts.path else {})}


def public_url(environment: Environment) -> str:
    """The gateway as the browser sees it."""
    return environment.get("PUBLIC_URL") or gateway_url(environment)


def parts(environment: Environment) -> tuple[Part, ...]:
    """All parts in the order of their start, the gateway last; the frontend where it is the demo's own."""
    own_frontend = "DEMO_FRONTEND" not in environment
    return (
        _part("identity", environment["KEYCLOAK_ISSUER_URL"], "/.well-known/openid-configuration"),
        _part("users", environment["USER_SERVICE_URL"], "/health"),
        _part("interviews", environment["INTERVIEW_SERVICE_URL"], "/health"),
        _part("media", environment["MEDIA_SERVICE_URL"], "/health"),
        *([_part("frontend", environment["FRONTEND_URL"], "/config.js")] if own_frontend else []),
        Part("gateway", int(environment["PORT"]), GUNICORN, f"{gateway_url(environment)}/health/ready"),
    )


def gateway_url(environment: Environment) -> str:
    return f"http://localhost:{environment['PORT']}"


def _part(name: str, url: str, ready: str) -> Part:
    return Part(name, urlsplit(url).port or 80, (sys.executable, "-m", "demo.part", name), url + ready)


def _shifted(value: str, shift: int) -> str:
    return re.sub(r"(?<=//localhost:)\d+", lambda port: str(int(port[0]) + shift), value)
