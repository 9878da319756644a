"""What promtool says of rules, configuration, queries and metrics; none of it needs a server of its own."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from harness.gateway import Gateway
from harness.issuer import Issuer
from harness.monitoring import PROMETHEUS, Query, alerts, panel_queries, runbook_queries


def promtool(*arguments: str | Path, given: bytes | None = None) -> str:
    done = subprocess.run(
        ["promtool", *map(str, arguments)], input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
        cwd=PROMETHEUS,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout.decode()
    return done.stdout.decode()


def write(file: Path, content: Any) -> None:
    """As JSON, which is YAML."""
    file.write_text(json.dumps(content))


def group(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"groups": [{"name": "tests", "rules": list(rules)}]}


def test_the_rules_are_well_made() -> None:
    assert f"{len(alerts())} rules found" in promtool("check", "rules", "alerts.yml")


def test_each_alert_fires_and_does_not() -> None:
    promtool("test", "rules", "alerts.test.yml")


@pytest.mark.parametrize("expression", ["vector(1) > 2", "vector(1)"], ids=["never fire", "always fire"])
def test_its_tests_notice_each_alert_if_all(expression: str, tmp_path: Path) -> None:
    shutil.copy(PROMETHEUS / "alerts.test.yml", tmp_path)
    write(tmp_path / "alerts.yml", group(*({**rule, "expr": expression} for rule in alerts())))
    with pytest.raises(AssertionError) as failed:
        promtool("test", "rules", tmp_path / "alerts.test.yml")
    noticed = re.findall(r"alertname: *(\w+), time:", str(failed.value))
    assert {rule["alert"] for rule in alerts()} <= set(noticed)


def test_the_configuration_is_sound() -> None:
    promtool("check", "config", "prometheus.yml")


@pytest.mark.parametrize("queries", [panel_queries(), runbook_queries()], ids=["dashboard", "runbook"])
def test_every_query_is_promql(queries: list[Query], tmp_path: Path) -> None:
    rules = [{"record": f"query:{number}", "expr": query.expression} for number, query in enumerate(queries)]
    write(tmp_path / "queries.yml", group(*rules))
    assert f"{len(queries)} rules found" in promtool("check", "rules", tmp_path / "queries.yml")


def test_the_metrics_are_well_named(gateway: Gateway, issuer: Issuer) -> None:
    """promtool wants a help text, units and endings as Prometheus's own."""
    gateway.get("/users/me", issuer.mint())
    gateway.get("/users/me", "no token")
    gateway.get("/nowhere")
    metrics = gateway.get("/metrics")
    assert metrics.status == 200 and b"http_requests_total" in metrics.body
    assert promtool("check", "metrics", given=metrics.body) == ""
