"""What is in deploy/, as the programs judge it that take it; none of them starts a server."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from harness.repository import ROOT

UNITS = ROOT / "deploy" / "systemd"
KUBERNETES = ROOT / "deploy" / "kubernetes"
KUBERNETES_VERSION = "1.34"
CUSTOM = {"ServiceMonitor", "PrometheusRule"}
"""The operator's own: no schema of Kubernetes."""

PEERS = Path(os.environ.get("PEERS_HOME") or Path.home() / ".cache" / "gateway-peers")
EXPOSURE = 20
"""Tenths, at most."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The units, with a program that is there."""
    for file in UNITS.glob("api-gateway.*"):
        shutil.copy(file, tmp_path)
    unit = tmp_path / "api-gateway.service"
    unit.write_text(unit.read_text().replace("/opt/api-gateway/bin/gunicorn", "/bin/true"))
    return tmp_path


def reported(*command: str | Path) -> str:
    done = subprocess.run(
        [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_units_are_sound(folder: Path) -> None:
    assert reported("systemd-analyze", "verify", folder / "api-gateway.service", folder / "api-gateway.socket") == ""


def test_the_unit_is_hardened(folder: Path) -> None:
    said = reported(
        "systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE}", folder / "api-gateway.service"
    )
    (level,) = re.findall(r"Overall exposure level .*: ([0-9.]+)", said)
    assert float(level) * 10 <= EXPOSURE


def test_the_compose_file_is_sound() -> None:
    assert reported("docker-compose", "-f", ROOT / "deploy" / "compose" / "compose.yml", "config", "-q") == ""


@pytest.fixture(scope="module", params=["single", "cluster"])
def manifests(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """What an overlay comes to."""
    built = reported(PEERS / "bin" / "kustomize", "build", KUBERNETES / "overlays" / request.param)
    return list(yaml.safe_load_all(built))


def test_the_manifests_are_what_kubernetes_takes(manifests: list[dict[str, Any]]) -> None:
    kinds = [manifest["kind"] for manifest in manifests]
    assert {"Deployment", "Service", "ConfigMap", "NetworkPolicy", *CUSTOM} <= set(kinds)
    for manifest in manifests:
        if manifest["kind"] not in CUSTOM:
            kubernetes_validate.validate(manifest, KUBERNETES_VERSION, strict=True)


def test_selectors_meet_the_pods(manifests: list[dict[str, Any]]) -> None:
    """Those of the Service, the policies, the budget, the monitor."""
    (deployment,) = [one for one in manifests if one["kind"] == "Deployment"]
    (service,) = [one for one in manifests if one["kind"] == "Service"]
    pod = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= pod.items()
    assert service["spec"]["selector"].items() <= pod.items()
    for one in manifests:
        selectors = [one.get("spec", {}).get(name, {}).get("matchLabels", {}) for name in ("podSelector", "selector")]
        if one["kind"] in ("NetworkPolicy", "PodDisruptionBudget"):
            assert any(selectors) and all(selector.items() <= pod.items() for selector in selectors)
        if one["kind"] == "ServiceMonitor":
            assert selectors[1].items() <= service["metadata"]["labels"].items()
    (settings,) = [one for one in manifests if one["kind"] == "ConfigMap"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["envFrom"] == [{"configMapRef": {"name": settings["metadata"]["name"]}}]
