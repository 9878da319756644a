"""deploy/compose names what is there, agrees with the rest of deploy/, and configures a gateway that starts."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from harness.repository import ROOT

COMPOSE = ROOT / "deploy" / "compose"
CONTENT: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = CONTENT["services"]
GATEWAYS = [name for name, service in SERVICES.items() if "KEYCLOAK_ISSUER_URL" in service.get("environment", {})]
ADDRESSES = ("HOST", "URL", "ENDPOINT", "BROKERS")
"""How the names of settings end that hold a peer's address."""


@pytest.fixture(scope="module")
def prepare() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prepare", COMPOSE / "prepare.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def prepared(prepare: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    prepare.main(folder, ROOT / "deploy" / "keycloak" / "realm.json")
    return folder


def test_every_file_that_is_mounted_is_there() -> None:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in CONTENT["volumes"] or (COMPOSE / source).exists(), f"{name}: {source}"


def test_every_peer_is_a_service_at_its_port() -> None:
    """Of those that the gateway reaches inside."""
    environment = SERVICES[GATEWAYS[0]]["environment"]
    inside = {
        name: value for name, value in environment.items() if name.endswith(ADDRESSES) and "localhost" not in value
    }
    assert len(inside) >= 7
    for name, value in inside.items():
        host, port = re.search(r"(?:^|//)([\w-]+):(\d+)", value).groups()  # type: ignore[union-attr]
        assert host in SERVICES, name
        assert port in json.dumps(SERVICES[host]) or (host, port) in KNOWN, f"{name}: {value}"


KNOWN = {("keycloak", "8080"), ("redis", "6379"), ("loki", "3100"), ("jaeger", "4318")}
"""Where their images listen by themselves."""


def test_the_addresses_that_are_trusted_are_nginxs_and_prometheuss() -> None:
    environment = SERVICES[GATEWAYS[0]]["environment"]
    address = {name: SERVICES[name]["networks"]["default"]["ipv4_address"] for name in ("nginx", "prometheus")}
    assert environment["TRUSTED_PROXIES"] == address["nginx"]
    assert address["prometheus"] in environment["METRICS_ALLOWED_NETWORKS"].split(",")


def test_the_gateway_takes_its_settings(prepared: Path) -> None:
    for name in GATEWAYS:
        environment = {
            setting: value.replace("/prepared", str(prepared))
            for setting, value in SERVICES[name]["environment"].items()
        }
        done = subprocess.run(
            [sys.executable, "-m", "gateway.check"], env={**environment, "PATH": os.defpath, "PYTHONPATH": str(ROOT)},
            cwd=prepared, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0 and "warning" not in done.stderr, done.stderr


def test_the_realm_is_the_shipped_one_with_this_sites_addresses(prepared: Path) -> None:
    environment = SERVICES[GATEWAYS[0]]["environment"]
    made = json.loads((prepared / "realm.json").read_text())
    shipped = json.loads((ROOT / "deploy" / "keycloak" / "realm.json").read_text())
    (client,) = made["clients"]
    assert client["redirectUris"] == [environment["KEYCLOAK_REDIRECT_URI"]]
    assert client["secret"] == (prepared / "keycloak-secret").read_text()
    host = re.search(r"//([\w-]+):3001/", client["attributes"]["backchannel.logout.url"])
    assert host and host[1] in GATEWAYS
    assert made["realm"] == shipped["realm"] and client["protocolMappers"] == shipped["clients"][0]["protocolMappers"]
    assert {role for user in made["users"] for role in user["realmRoles"]} <= {
        role["name"] for role in shipped["roles"]["realm"]
    }


def test_what_is_prepared_stays(prepare: ModuleType, prepared: Path) -> None:
    before = {file.name: file.read_bytes() for file in prepared.iterdir()}
    prepare.main(prepared, ROOT / "deploy" / "keycloak" / "realm.json")
    assert before == {file.name: file.read_bytes() for file in prepared.iterdir()}


def test_nginx_asks_the_gateways_that_there_are() -> None:
    servers = re.findall(r"^\s+server ([\w-]+):3001 .*?(backup)?;", (COMPOSE / "nginx.conf").read_text(), re.MULTILINE)
    assert sorted(servers) == sorted((name, kind) for name in GATEWAYS for kind in ("", "backup"))


def test_prometheus_asks_them_too_with_the_alerts_of_all() -> None:
    content = yaml.safe_load((COMPOSE / "prometheus.yml").read_text())
    (job,) = content["scrape_configs"]
    assert job["job_name"] == "api-gateway"
    assert job["static_configs"] == [{"targets": [f"{name}:3001" for name in GATEWAYS]}]


def test_only_nginx_is_reachable_from_elsewhere() -> None:
    open_ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert open_ports.pop("nginx") == ["8443:443"]
    assert all(port.startswith("127.0.0.1:") for ports in open_ports.values() for port in ports)


def test_it_is_killed_only_after_it_has_drained() -> None:
    assert all(SERVICES[name]["stop_grace_period"] == "45s" for name in GATEWAYS)
