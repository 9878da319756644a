"""A real Keycloak, with the realm that the project ships and what only tests need beside it."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from harness.issuer import CLIENT, REALM
from harness.lifetime import Lifetime
from harness.ports import free_port
from harness.repository import ROOT, SCRIPTS

SCRIPT = SCRIPTS / "keycloak.sh"
SHIPPED = ROOT / "deploy" / "keycloak" / "realm.json"
NAME = REALM.rpartition("/")[2]
OTHER = "other-app"
SECRETS = {CLIENT: "client-secret-of-the-tests-0123456789", OTHER: "other-secret-of-the-tests-0123456789"}

# Passwords hashed once are quick, and the loopback has no https; the password grant saves a browser.
LENIENT = {"sslRequired": "none", "passwordPolicy": "hashAlgorithm(pbkdf2-sha256) and hashIterations(1)"}
DIRECT = {"directAccessGrantsEnabled": True}
OTHER_CLIENT = {
    "clientId": OTHER, "secret": SECRETS[OTHER], "publicClient": False, "fullScopeAllowed": True, **DIRECT,
}  # fmt: skip


def user(ident: str, name: str, family: str, realm: list[str], client: list[str]) -> dict[str, Any]:
    return {
        "id": ident,
        "username": name,
        "enabled": True,
        "email": f"{name}@example.test",
        "emailVerified": True,
        "firstName": name.title(),
        "lastName": family,
        "credentials": [{"type": "password", "value": f"{name}-password", "temporary": False}],
        "realmRoles": [f"default-roles-{NAME}", *realm],
        "clientRoles": {CLIENT: client},
    }


CORA = user("11111111-1111-4111-8111-111111111111", "cora", "Candidate", ["candidate"], [])
RICK = user("22222222-2222-4222-8222-222222222222", "rick", "Recruiter", ["recruiter", "admin"], ["interview:review"])


def realm_for_tests() -> dict[str, Any]:
    """The shipped realm, its client with a secret and the password grant; users; a foreign client."""
    realm: dict[str, Any] = json.loads(SHIPPED.read_text())
    (client,) = realm["clients"]
    client |= {"secret": SECRETS[CLIENT], **DIRECT}
    return realm | LENIENT | {"clients": [client, OTHER_CLIENT], "users": [CORA, RICK]}


class Keycloak(Lifetime):
    """Runs on a port of its own until the `with` ends; has what `Gateway` asks of an issuer.

    `public` is the address Keycloak says it has (`--hostname`); without one it is the one it is asked at.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.public: str | None = None
        self.up = False
        self._realm_file = folder / "realm.json"
        self._realm_file.write_text(json.dumps(realm_for_tests(), indent=1))
        self.admin = Admin(self.base)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The realm as the gateway reaches it."""
        return self.base + REALM

    @property
    def issuer(self) -> str:
        return (self.public or self.base) + REALM

    def start(self) -> None:
        """As the realm was imported, installed first if need be."""
        self._run("start")
        self.up = True

    def resume(self, public: str | None = None) -> None:
        """Start again with the data as they were left."""
        self.public = public
        self._run("resume")
        self.up = True

    def stop(self) -> None:
        self.up = False
        self._run("stop")

    def _run(self, command: str) -> None:
        named = f"--hostname={self.public} --hostname-backchannel-dynamic=true"
        extra = named if self.public else "--hostname-strict=false"
        env = {
            **os.environ, "KC_PORT": str(self.port), "KC_REALM_FILE": str(self._realm_file), "KC_EXTRA": extra,
        }  # fmt: skip
        done = subprocess.run([SCRIPT, command], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == 0, f"keycloak.sh {command}: {done.stdout}{done.stderr}"

    def tokens(
        self,
        who: Mapping[str, Any] = CORA,
        *,
        client: str = CLIENT,
        scope: str = "openid",
        base: str | None = None,
    ) -> dict[str, str]:
        """A token answer by the password grant: access_token, refresh_token, id_token."""
        form = {
            "grant_type": "password",
            "client_id": client,
            "client_secret": SECRETS[client],
            "username": who["username"],
            "password": who["credentials"][0]["value"],
            "scope": scope,
        }
        answer = requests.post(f"{base or self.base}{REALM}/protocol/openid-connect/token", data=form, timeout=10)
        assert answer.ok, answer.text
        found: dict[str, str] = answer.json()
        return found

    def token(self, who: Mapping[str, Any] = CORA, **options: Any) -> str:
        return self.tokens(who, **options)["access_token"]


class Admin:
    """Keycloak's admin REST API, as far as the tests change the realm; a `with` takes its change back."""

    def __init__(self, base: str) -> None:
        self.base = base

    def call(self, method: str, path: str, body: Any = None, *, realm: str = NAME) -> requests.Response:
        """One call under the realm (empty: under all of them), with a fresh token: the admin's live a minute."""
        form = {"grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": "admin"}
        token_url = f"{self.base}/realms/master/protocol/openid-connect/token"
        token = requests.post(token_url, data=form, timeout=10).json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        url = f"{self.base}/admin/realms{'/' + realm if realm else ''}{path}"
        answer = requests.request(method, url, json=body, headers=bearer, timeout=60)  # a new realm takes long
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def client(self, client: str = CLIENT) -> dict[str, Any]:
        (found,) = self.call("GET", f"/clients?clientId={client}").json()
        return dict(found)

    @contextmanager
    def attribute(self, name: str, value: str) -> Iterator[None]:
        """An attribute of the gateway's client, such as the life of its access tokens."""
        before = self.client()
        path = f"/clients/{before['id']}"
        self.call("PUT", path, before | {"attributes": before["attributes"] | {name: value}})
        try:
            yield
        finally:
            self.call("PUT", path, before | {"attributes": {name: "", **before["attributes"]}})

    @contextmanager
    def without_mapper(self, name: str) -> Iterator[None]:
        """A protocol mapper of the gateway's client taken away."""
        client = self.client()
        path = f"/clients/{client['id']}/protocol-mappers/models"
        (mapper,) = [mapper for mapper in client["protocolMappers"] if mapper["name"] == name]
        self.call("DELETE", f"{path}/{mapper['id']}")
        try:
            yield
        finally:
            self.call("POST", path, mapper)

    @contextmanager
    def without_scope(self, name: str) -> Iterator[None]:
        """A default client scope of the gateway's client taken away."""
        (scope,) = [scope for scope in self.call("GET", "/client-scopes").json() if scope["name"] == name]
        path = f"/clients/{self.client()['id']}/default-client-scopes/{scope['id']}"
        self.call("DELETE", path)
        try:
            yield
        finally:
            self.call("PUT", path)

    def kid(self, algorithm: str) -> str:
        """The key that signs now."""
        return str(self.call("GET", "/keys").json()["active"][algorithm])

    def add_key(self, provider: str, **config: str) -> None:
        """A key provider above those there are, so that its key signs from now on."""
        priority = 1 + max(key["providerPriority"] for key in self.call("GET", "/keys").json()["keys"])
        component = {
            "name": f"{provider}-{priority}",
            "providerId": provider,
            "providerType": "org.keycloak.keys.KeyProvider",
            "config": {name: [value] for name, value in {"priority": str(priority), **config}.items()},
        }
        self.call("POST", "/components", component)

    def disable_key(self, kid: str) -> None:
        """Take a key out of the realm's key set."""
        (provider,) = [key["providerId"] for key in self.call("GET", "/keys").json()["keys"] if key.get("kid") == kid]
        component = self.call("GET", f"/components/{provider}").json()
        component["config"] |= {"active": ["false"], "enabled": ["false"]}
        self.call("PUT", f"/components/{provider}", component)
