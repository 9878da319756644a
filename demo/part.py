"""One part of the demo as a process: ``python -m demo.part identity``, with the demo's settings around it."""

# ruff: noqa: E402 (gevent patches before anything else is imported)
from gevent import monkey

monkey.patch_all()

import os
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask

from demo.frontend import create_frontend
from demo.identity import Client, ProviderSettings, create_provider
from demo.plan import gateway_url, parts
from demo.serve import serve_forever
from demo.services.interviews import create_interviews
from demo.services.media import create_media
from demo.services.users import create_users

TERMINAL_CLIENT = "demo-terminal"


def identity() -> Flask:
    """The provider: the gateway's client, and a public one whose tokens live an hour, for curl."""
    issuer = urlsplit(os.environ["KEYCLOAK_ISSUER_URL"])
    gateway = Client(
        os.environ["KEYCLOAK_CLIENT_ID"],
        os.environ["KEYCLOAK_CLIENT_SECRET"],
        redirect_uris=(*Client().redirect_uris, os.environ["KEYCLOAK_REDIRECT_URI"]),
        backchannel_logout_url=f"{gateway_url(dict(os.environ))}/auth/backchannel-logout",
    )
    terminal = Client(TERMINAL_CLIENT, secret=None, grants=("password",), access_lifetime=3600)
    settings = ProviderSettings(
        base_url=f"{issuer.scheme}://{issuer.netloc}",
        realm=issuer.path.rpartition("/")[2],
        clients=(gateway, terminal),
        access_lifetime=300,
    )
    return create_provider(settings)


def users() -> Flask:
    """The provider's users have their names here too."""
    known = ProviderSettings().users
    return create_users({user.id: {"firstName": user.first_name, "lastName": user.last_name} for user in known})


def frontend() -> Flask:
    return create_frontend(gateway_url(dict(os.environ)))


def data(name: str) -> Path:
    return Path(os.environ["DEMO_DATA"], name)


APPS: dict[str, Callable[[], Flask]] = {
    "identity": identity,
    "users": users,
    "interviews": lambda: create_interviews(data("interviews.sqlite")),
    "media": lambda: create_media(data("media")),
    "frontend": frontend,
}


if __name__ == "__main__":
    name = sys.argv[1]
    (port,) = (part.port for part in parts(dict(os.environ)) if part.name == name)
    serve_forever(APPS[name](), port)
