"""What the project ships for Prometheus and Grafana, taken apart for the tests."""

import json
import re
import textwrap
from dataclasses import dataclass
from typing import Any

import yaml

from gateway.instruments import Instruments
from harness.repository import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "gateway.json"
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()


@dataclass(frozen=True)
class Query:
    """An expression that is shipped, and where: `Errors by kind` of the dashboard, say."""

    place: str
    expression: str


def metrics() -> dict[str, set[str]]:
    """Every series name that the gateway has, and its labels."""
    found: dict[str, set[str]] = {}
    for metric in registered():
        if metric.kind == "histogram":
            found[f"{metric.name}_bucket"] = {*metric.labels, "le"}
            found[f"{metric.name}_count"] = found[f"{metric.name}_sum"] = set(metric.labels)
        else:
            found[metric.name] = set(metric.labels)
    return found


@dataclass(frozen=True)
class Registered:
    """A metric as its code declares it; `name` is that of its series (of a histogram's without their suffix)."""

    name: str
    kind: str
    labels: tuple[str, ...]


def registered() -> list[Registered]:
    """Every metric of the gateway: a registry names the labels only of those that have a sample, so they are read where
    prometheus_client keeps them."""
    metrics: list[Any] = list(Instruments().registry._collector_to_names)
    return [
        Registered(metric._name + "_total" * (metric._type == "counter"), metric._type, tuple(metric._labelnames))
        for metric in metrics
    ]


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def panels() -> list[dict[str, Any]]:
    """Those that show something."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def panel_queries(job: str = "api-gateway", instance: str = ".*", interval: str = "1m") -> list[Query]:
    """What Grafana would ask."""
    values = {"$job": job, "$instance": instance, "$__rate_interval": interval}
    return [
        Query(f"{panel['title']} {target['refId']}", filled(target["expr"], values))
        for panel in panels()
        for target in panel["targets"]
    ]


def filled(expression: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, f"a variable that is none: {expression}"
    return expression


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    return list(group["rules"])


def alert_queries() -> list[Query]:
    return [Query(rule["alert"], rule["expr"]) for rule in alerts()]


def runbook() -> dict[str, str]:
    """Section title → its text."""
    _, *sections = re.split(r"^## ", RUNBOOK, flags=re.MULTILINE)
    return {title: text for title, _, text in (section.partition("\n") for section in sections)}


def runbook_queries() -> list[Query]:
    return [
        Query(f"{title} in the runbook", block.strip())
        for title, text in runbook().items()
        for block in re.findall(r"```promql\n(.*?)```", text, re.DOTALL)
    ]


def first_command(title: str) -> str:
    """The command of a section that names the cause: shell, of one line or more."""
    found = re.search(r"```sh\n(.*?)```", runbook()[title], re.DOTALL)
    assert found, f"{title} has no command"
    return textwrap.dedent(found[1])
