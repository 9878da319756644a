"""What a browser meets: frontend, gateway and services of the demo as processes, on ports of their own."""

import random
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests

from demo.plan import Part, gateway_url, parts, read_environment
from demo.run import Demo, DemoError, check_ports
from harness.gateway import ROOMY
from harness.lifetime import Lifetime
from harness.repository import ROOT

ORDERLY = (sys.executable, "-m", "harness.orderly")
SHIFTS = range(17_000, 24_600, 50)
"""They put all ports of the demo between 20,000 and 32,700, below those the kernel takes for outgoing connections."""


def free_shift() -> int:
    """A shift under which every port of the demo is free."""
    for shift in random.sample(SHIFTS, len(SHIFTS)):
        try:
            check_ports(parts(read_environment(shift)))
        except DemoError:
            continue
        return shift
    raise RuntimeError("no room for the demo's ports")


class Stage(Lifetime):
    """The whole demo; everything is on `localhost`, so 127.0.0.1 is another site.

    The provider is `harness.orderly`, unless `environment` names an issuer of one that runs already. Leeway is 0: a
    token has lapsed when it has.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        own = environment or {}
        path = f"{ROOT}:{ROOT / 'tests'}"
        self.environment = {**read_environment(free_shift()), **ROOMY, "JWT_LEEWAY": "0", "PYTHONPATH": path, **own}
        self._demo = Demo(tuple(self._parts("KEYCLOAK_ISSUER_URL" in own)), self.environment, folder)
        self.folder = folder

    def _parts(self, has_issuer: bool) -> list[Part]:
        identity, *rest = parts(self.environment)
        return rest if has_issuer else [replace(identity, command=ORDERLY), *rest]

    def start(self) -> None:
        self._demo.start()

    def stop(self) -> None:
        self._demo.end()

    @property
    def frontend(self) -> str:
        return self.environment["FRONTEND_URL"]

    @property
    def gateway(self) -> str:
        return gateway_url(self.environment)

    @property
    def provider(self) -> str:
        """The origin of the issuer."""
        return self.environment["KEYCLOAK_ISSUER_URL"].partition("/realms/")[0]

    def calls(self, endpoint: str) -> int:
        """How often the provider's endpoint was called so far."""
        answer = requests.get(f"{self.provider}/demo/calls", timeout=5)
        return int(answer.json().get(endpoint, 0))

    def order(self, what: str, **fields: Any) -> None:
        """Have the provider do one of the things of `/demo/…`."""
        requests.post(f"{self.provider}/demo/{what}", data=fields, timeout=5).raise_for_status()

    def token(self, name: str = "cora") -> str:
        """An access token of a program's."""
        environment = self.environment
        fields = {
            "grant_type": "password",
            "client_id": environment["KEYCLOAK_CLIENT_ID"],
            "client_secret": environment["KEYCLOAK_CLIENT_SECRET"],
            "username": name,
            "password": f"{name}-password",
            "scope": "openid",
        }
        url = f"{environment['KEYCLOAK_ISSUER_URL']}/protocol/openid-connect/token"
        answer = requests.post(url, data=fields, timeout=5)
        return str(answer.json()["access_token"])

    def log(self, part: str) -> str:
        """All that a part wrote so far."""
        return (self.folder / f"{part}.log").read_text(encoding="utf-8", errors="replace")
