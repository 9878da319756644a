"""Dashboard, alerts and runbook name what there is, and each other. Prometheus's own word on them is in tests/real."""

import re
from itertools import combinations
from typing import Any

import pytest
import yaml
from harness import promql
from harness.monitoring import (
    PROMETHEUS,
    RUNBOOK,
    Query,
    alert_queries,
    alerts,
    dashboard,
    metrics,
    panel_queries,
    panels,
    runbook,
    runbook_queries,
)  # fmt: skip
from harness.repository import ROOT

METRICS = metrics()
TARGET = {"job", "instance"}
"""The labels that Prometheus adds."""

PROMETHEUS_OWN = {"up": set[str]()}
JOB = ("=", "api-gateway")
SHIPPED = [*panel_queries(), *alert_queries(), *runbook_queries()]
BULLETS = ["Clients", "Look", "Log", "Do"]
OPERATING = (ROOT / "docs" / "operating.md").read_text()

each_query = pytest.mark.parametrize("query", SHIPPED, ids=[query.place for query in SHIPPED])
each_alert = pytest.mark.parametrize("alert", alerts(), ids=[alert["alert"] for alert in alerts()])
each_panel = pytest.mark.parametrize("panel", panels(), ids=[panel["title"] for panel in panels()])
each_section = pytest.mark.parametrize("title", runbook())


def labels_of(metric: str) -> set[str]:
    known = METRICS | PROMETHEUS_OWN
    assert metric in known, f"{metric} is no metric of gateway/instruments/metrics.py"
    return known[metric] | TARGET


class TestQueries:
    @each_query
    def test_queries_name_metrics_and_labels_that_are_there(self, query: Query) -> None:
        selectors = promql.selectors(query.expression)
        assert selectors
        for selector in selectors:
            assert selector.matchers.keys() <= labels_of(selector.metric)
        for grouping in promql.groupings(query.expression):
            for selector in promql.selectors(grouping.of):
                assert set(grouping.labels) <= labels_of(selector.metric), grouping

    @each_query
    def test_queries_ask_for_the_gateway_alone(self, query: Query) -> None:
        """Others have an http_requests_total too."""
        for selector in promql.selectors(query.expression):
            assert selector.matchers.get("job") == JOB or selector == promql.Selector("up", {})

    def test_the_scrape_job_has_their_name(self) -> None:
        (job,) = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
        assert job["job_name"] == JOB[1]

    @pytest.mark.parametrize(
        ("expression", "found", "grouped"),
        [
            ("up", {"up": set()}, []),
            ('a_total{b="}c{",d=~"e"}', {"a_total": {"b", "d"}}, []),
            ('sum by (x, y) (rate(a_total{b="c"}[5m])) > 0.5', {"a_total": {"b"}}, [("x", "y")]),
            ("a / on (x) group_left sum by (x) (b)", {"a": set(), "b": set()}, [("x",), (), ("x",)]),
            ("histogram_quantile(0.9, sum by (le) (rate(a_bucket[1m]))) and b", {"a_bucket": set(), "b": set()},
             [("le",)]),
        ],
    )  # fmt: skip
    def test_queries_are_read_as_they_are(
        self, expression: str, found: dict[str, set[str]], grouped: list[Any]
    ) -> None:
        selectors = promql.selectors(expression)
        assert {selector.metric: set(selector.matchers) for selector in selectors} == found
        assert [grouping.labels for grouping in promql.groupings(expression)] == grouped


class TestDashboard:
    def test_the_dashboard_is_what_grafana_takes(self) -> None:
        """And of no installation: it has no number there, and its data source is chosen."""
        board = dashboard()
        assert board["title"] and board["uid"] and board["id"] is None
        assert board["schemaVersion"] >= 36 and board["time"].keys() == {"from", "to"}
        assert not board.keys() & {"__inputs", "__requires"}
        names = [variable["name"] for variable in board["templating"]["list"]]
        assert names == ["datasource", "job", "instance"]
        assert board["templating"]["list"][0]["type"] == "datasource"
        assert {variable["type"] for variable in board["templating"]["list"][1:]} == {"query"}

    def test_its_variables_ask_for_labels_that_are_there(self) -> None:
        for variable in dashboard()["templating"]["list"][1:]:
            asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
            assert asked and variable["definition"] == asked[0]
            (selector,) = promql.selectors(asked[1])
            assert {asked[2], *selector.matchers} <= labels_of(selector.metric)

    def test_the_dashboard_has_one_data_source(self) -> None:
        found = list(sources(dashboard()))
        assert len(found) > len(panels())
        assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in found)

    def test_panels_have_numbers_and_places_of_their_own(self) -> None:
        every = dashboard()["panels"]
        assert len({panel["id"] for panel in every}) == len(every)
        for one, other in combinations(every, 2):
            assert apart(one["gridPos"], other["gridPos"]), (one["title"], other["title"])
        for panel in every:
            assert panel["gridPos"]["x"] >= 0 and panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24

    @each_panel
    def test_a_panel_is_whole(self, panel: dict[str, Any]) -> None:
        assert panel["type"] in ("timeseries", "stat") and panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] and panel["options"]
        letters = [target["refId"] for target in panel["targets"]]
        assert letters and len(set(letters)) == len(letters)

    @each_panel
    def test_a_legend_names_what_it_is_grouped_by(self, panel: dict[str, Any]) -> None:
        for target in panel["targets"]:
            grouped = {label for grouping in promql.groupings(target["expr"]) for label in grouping.labels} - {"le"}
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) == grouped

    def test_every_metric_is_on_it(self) -> None:
        shown = {
            family(selector.metric) for query in panel_queries() for selector in promql.selectors(query.expression)
        }
        assert shown >= {family(metric) for metric in METRICS}


class TestAlerts:
    @each_alert
    def test_an_alert_has_a_severity_and_a_section(self, alert: dict[str, Any]) -> None:
        assert alert["labels"].keys() == {"severity"} and alert["labels"]["severity"] in ("critical", "warning")
        assert alert["annotations"].keys() == {"summary", "runbook", "dashboard", "logs"}
        assert alert["annotations"]["runbook"] == f"docs/runbook.md#{alert['alert'].lower()}"

    @each_alert
    def test_leads_to_a_panel_with_what_it_asks_for(self, alert: dict[str, Any]) -> None:
        found = re.fullmatch(rf"/d/{dashboard()['uid']}\?viewPanel=(\d+)", alert["annotations"]["dashboard"])
        assert found
        (panel,) = [panel for panel in panels() if panel["id"] == int(found[1])]
        shown = {family(one.metric) for target in panel["targets"] for one in promql.selectors(target["expr"])}
        asked = {family(one.metric) for one in promql.selectors(alert["expr"])}
        kin = {"http_requests_total": "http_request_errors_total"}
        assert shown & (asked | {kin.get(metric, metric) for metric in asked})

    @each_alert
    def test_leads_to_the_log_lines(self, alert: dict[str, Any]) -> None:
        """By Loki's labels, then by words of the lines and fields that operating.md explains."""
        query = alert["annotations"]["logs"]
        assert query.startswith('{service="api-gateway"}')
        for words in re.findall(r'\|[=~] "([^"]+)"', query):
            assert any(word in OPERATING for word in words.split("|")), words
        for field in re.findall(r"\| json \| (\w+)", query):
            assert f"`{field}`" in OPERATING

    @each_alert
    def test_an_alert_has_tests_that_it_fires_and_does_not(self, alert: dict[str, Any]) -> None:
        tests = yaml.safe_load((PROMETHEUS / "alerts.test.yml").read_text())["tests"]
        cases = [[c for c in test["alert_rule_test"] if c["alertname"] == alert["alert"]] for test in tests]
        assert any(case["exp_alerts"] for test in cases for case in test)
        assert any(test and not any(case["exp_alerts"] for case in test) for test in cases)


class TestRunbook:
    def test_the_runbook_has_a_section_for_each_alert_and_no_other(self) -> None:
        assert list(runbook()) == [alert["alert"] for alert in alerts()]

    @each_section
    def test_a_section_says_what_is_seen_and_what_to_do(self, title: str) -> None:
        text = runbook()[title]
        assert re.findall(r"^- \*\*(\w+)\*\*: \S", text, re.MULTILINE) == BULLETS
        assert "```promql\n" in text

    @each_section
    def test_log_lines_are_explained(self, title: str) -> None:
        """Code in a Log bullet is how a message begins, a field, or a value that the field's row names."""
        bullet = runbook()[title].partition("- **Log**")[2].partition("- **Do**")[0]
        for name in re.findall(r"`([^`]+)`", bullet.replace("\n", " ")):
            name = re.sub(r"\s+", " ", name)
            assert f"`{name}`" in OPERATING or name == "/auth", name

    def test_links_within_lead_somewhere(self) -> None:
        assert set(re.findall(r"\]\(#([^)]*)\)", RUNBOOK)) <= {title.lower() for title in runbook()}


def sources(node: Any) -> list[Any]:
    """Every data source named in the dashboard."""
    if isinstance(node, list):
        return [source for part in node for source in sources(part)]
    if not isinstance(node, dict):
        return []
    own = [node["datasource"]] if "datasource" in node else []
    return own + [source for part in node.values() for source in sources(part)]


def apart(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] + one["w"] <= other["x"]
        or other["x"] + other["w"] <= one["x"]
        or one["y"] + one["h"] <= other["y"]
        or other["y"] + other["h"] <= one["y"]
    )


def family(metric: str) -> str:
    """A histogram's name, of one of its series."""
    return re.sub(r"_(bucket|count|sum)$", "", metric)
