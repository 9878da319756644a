"""deploy/kubernetes agrees with the gateway, its settings and its alerts. tests/real builds and validates it."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import prometheus_rule
import yaml
from harness.repository import ROOT
from harness.stopping import graceful_timeout

KUBERNETES = ROOT / "deploy" / "kubernetes"
SETTINGS = dict(line.split("=", 1) for line in (KUBERNETES / "base" / "settings.env").read_text().splitlines() if line)


def manifest(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((KUBERNETES / name).read_text())
    return content


POD = manifest("base/deployment.yaml")["spec"]["template"]["spec"]
(GATEWAY,) = POD["containers"]


def test_it_is_killed_only_after_it_has_drained() -> None:
    """preStop counts in the grace period."""
    (sleep,) = [int(word) for word in GATEWAY["lifecycle"]["preStop"]["exec"]["command"] if word.isdigit()]
    assert sleep + graceful_timeout() + 2 < POD["terminationGracePeriodSeconds"]
    readiness = GATEWAY["readinessProbe"]
    assert sleep > readiness["periodSeconds"]


def test_the_probes_never_ask_for_the_health_of_others() -> None:
    paths = {name: GATEWAY[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {
        "startupProbe": "/health/live",
        "livenessProbe": "/health/live",
        "readinessProbe": "/health/ready",
    }


def test_nothing_is_writable_but_two_folders_of_its_own() -> None:
    assert GATEWAY["securityContext"]["readOnlyRootFilesystem"] is True
    writable = {mount["mountPath"] for mount in GATEWAY["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"/tmp", "/dev/shm"}
    volumes = {volume["name"]: volume for volume in POD["volumes"]}
    assert all("sizeLimit" in volumes[name]["emptyDir"] for name in ("tmp", "shm"))


def test_the_gateway_takes_its_settings(tmp_path: Path) -> None:
    (mount,) = [mount["mountPath"] for mount in GATEWAY["volumeMounts"] if mount["name"] == "secrets"]
    for name in ("keycloak", "session"):
        (tmp_path / name).write_text("a-secret-of-the-tests-0123456789abcdef")
    (tmp_path / "redis-url").write_text("redis://:word@redis.redis:6379/0")
    overlay = manifest("overlays/cluster/kustomization.yaml")["configMapGenerator"][0]["literals"]
    for more in ({}, dict(literal.split("=", 1) for literal in overlay)):
        settings = {name: value.replace(mount, str(tmp_path)) for name, value in {**SETTINGS, **more}.items()}
        done = subprocess.run(
            [sys.executable, "-m", "gateway.check"], env={**settings, "PATH": os.defpath, "PYTHONPATH": str(ROOT)},
            cwd=tmp_path, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0 and "warning" not in done.stderr, done.stderr


def test_whom_the_settings_name_may_be_called() -> None:
    rules = manifest("base/networkpolicy.yaml")["spec"]["egress"]
    allowed = {(namespace(peer), port["port"]) for rule in rules for peer in rule["to"] for port in rule["ports"]}
    called = set()
    for value in SETTINGS.values():
        if found := re.search(r"(?:^|//)[\w-]+\.([\w-]+):(\d+)", value):
            called.add((found[1], int(found[2])))
    assert len(called) >= 6 and called <= allowed


def test_clients_keycloak_and_prometheus_come_in() -> None:
    rules = manifest("base/networkpolicy.yaml")["spec"]["ingress"]
    assert [namespace(peer) for rule in rules for peer in rule["from"]] == ["ingress-nginx", "keycloak", "monitoring"]


def namespace(peer: dict[str, Any]) -> str:
    return str(peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"])


def test_prometheus_knows_it_by_the_job_of_the_alerts() -> None:
    """The operator names the job after the Service."""
    service, monitor = manifest("base/service.yaml"), manifest("monitoring/servicemonitor.yaml")
    assert service["metadata"]["name"] == "api-gateway"
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["path"] == "/metrics" and endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}


def test_the_rules_are_the_alerts() -> None:
    assert prometheus_rule.MANIFEST.read_text() == prometheus_rule.written(), "python tests/prometheus_rule.py"
    alerts = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
    assert manifest("monitoring/prometheusrule.yaml")["spec"] == alerts
