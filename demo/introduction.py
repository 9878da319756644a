"""What the demo says when it is up: where to look, and three lines to paste."""

from __future__ import annotations

from pathlib import Path

import requests

from demo.plan import Environment, gateway_url, public_url

TEXT = """
The demo is up.

  In a browser     {frontend}
  Its baseUrl      {public}   (clients/typescript, docs/frontend.md)
  Sign in as       cora / cora-password   (candidate)
                   rick / rick-password   (recruiter, admin)

  The gateway      {gateway}   (/docs, /health)
  The provider     {issuer}
  Logs and data    {folder}   (gone when the demo ends)

Three calls to paste, with a token of cora's that lives an hour:

curl -i {gateway}/users/me -H 'Authorization: Bearer {token}'

curl -i {gateway}/interviews -H 'Content-Type: application/json' -d '{{"title": "First round"}}' \
-H 'Authorization: Bearer {token}'

curl -i -X PUT {gateway}/media/hello.txt -H 'Content-Type: text/plain' --data-binary 'Hello from curl' \
-H 'Authorization: Bearer {token}'

An outage to look at: kill {users}  (the user service). To end it: the key r, and Enter, in the demo's terminal.

Ctrl-C ends everything.
"""


def introduction(environment: Environment, folder: Path, users: int) -> str:
    """Ready to print; the token comes fresh from the provider's token endpoint. ``users``: the user service's pid."""
    issuer = environment["KEYCLOAK_ISSUER_URL"]
    return TEXT.format(
        frontend=environment["FRONTEND_URL"],
        gateway=gateway_url(environment),
        public=public_url(environment),
        issuer=issuer,
        folder=folder,
        users=users,
        token=_token(issuer),
    )


def _token(issuer: str) -> str:
    fields = {
        "grant_type": "password",
        "client_id": "demo-terminal",
        "username": "cora",
        "password": "cora-password",
        "scope": "openid",
    }
    with requests.Session() as http:
        http.trust_env = False
        answer = http.post(f"{issuer}/protocol/openid-connect/token", data=fields, timeout=10)
    answer.raise_for_status()
    return str(answer.json()["access_token"])
