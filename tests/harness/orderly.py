"""The demo's identity provider as a process that a test may order about: `python -m harness.orderly`.

Settings as for the demo's parts. Beside `demo_endpoints` there are POST /demo/access-lifetime, how long an access token
lives, and POST /demo/pause, how long the token endpoint thinks; both take a form field `seconds`.
"""

# ruff: noqa: E402 (gevent patches before anything else is imported)
from gevent import monkey

monkey.patch_all()

import os
import time
from dataclasses import replace
from urllib.parse import urlsplit

from flask import Flask, request

from demo.identity import Client, ProviderSettings, create_provider, provider_of
from demo.plan import gateway_url
from demo.serve import serve_forever


def orderly_provider(environment: dict[str, str]) -> Flask:
    issuer = urlsplit(environment["KEYCLOAK_ISSUER_URL"])
    client = Client(
        environment["KEYCLOAK_CLIENT_ID"],
        environment["KEYCLOAK_CLIENT_SECRET"],
        redirect_uris=(*Client().redirect_uris, environment["KEYCLOAK_REDIRECT_URI"]),
        backchannel_logout_url=f"{gateway_url(environment)}/auth/backchannel-logout",
    )
    app = create_provider(
        ProviderSettings(
            base_url=f"{issuer.scheme}://{issuer.netloc}",
            realm=issuer.path.rpartition("/")[2],
            clients=(client,),
            access_lifetime=300,
            demo_endpoints=True,
        )
    )
    provider = provider_of(app)
    pause = 0.0

    @app.before_request
    def think() -> None:
        if request.endpoint == "realm.token":
            time.sleep(pause)

    @app.post("/demo/access-lifetime")
    def set_access_lifetime() -> str:
        provider.settings = replace(provider.settings, access_lifetime=int(request.form["seconds"]))
        return ""

    @app.post("/demo/pause")
    def set_pause() -> str:
        nonlocal pause
        pause = float(request.form["seconds"])
        return ""

    return app


if __name__ == "__main__":
    settings = dict(os.environ)
    serve_forever(orderly_provider(settings), urlsplit(settings["KEYCLOAK_ISSUER_URL"]).port or 80)
