"""What the documents name is there: log fields and messages, paths, settings, commands, files, links."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.gateway import Gateway
from harness.issuer import Issuer
from harness.monitoring import registered
from harness.repository import ROOT

from gateway.config.names import NAMES, OLD_NAMES, SECRETS
from gateway.traces.allowlist import ATTRIBUTES

OPERATING = (ROOT / "docs" / "operating.md").read_text()
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "deploy").rglob("*.md"))]
MODULES = re.compile(r"`((?:gateway|blueprints|tests)/[\w/]+(?:\.py)?)`")
TO_BE_ADDED = {"blueprints/reports.py", "blueprints/docs/openapi/reports.py", "tests/routes/test_reports.py"}
"""Files of the recipes in CONTRIBUTING.md."""

PATHS = re.compile(r"`(?:GET|POST|PUT|PATCH|DELETE )?(/(?:auth|health|users|interviews|openapi\.json|docs)\b[a-z/.-]*)")
SETTING = re.compile(r"`((?:[A-Z]+_)+[A-Z]+)(?:=[^`]*)?`")
MASTERS = (
    "reload refused, the workers keep their configuration. %s",
    "Metrics: the counts of worker %d are lost",
    "Metrics: worker %d reports only its own: %s",
    "Gateway: version %s, commit %s",
)
"""What gunicorn's master logs by gunicorn.conf.py."""

NOT_SETTINGS = {
    "GATEWAY_DOCTOR_PASSWORD",
    "PEERS_HOME",
    "KEYCLOAK_ADMIN_PASSWORD",
    "GRAFANA_ADMIN_PASSWORD",
    "GATEWAY_REVISION",
    "RATE_LIMT_DEFAULT",
}


def sources() -> Iterator[ast.Module]:
    for folder in ("gateway", "blueprints"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield ast.parse(file.read_text())


def calls(*names: str) -> Iterator[ast.Call]:
    """Calls of methods of these names."""
    for module in sources():
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names:
                yield node


def section(title: str) -> str:
    """A section of docs/operating.md."""
    return re.split(r"^## ", OPERATING.partition(f"## {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def log_calls() -> Iterator[ast.Call]:
    for call in calls("debug", "info", "warning", "error", "exception", "log"):
        assert isinstance(call.func, ast.Attribute)
        if ast.unparse(call.func.value).rpartition(".")[2] in ("log", "_log"):
            yield call


def messages() -> Iterator[str]:
    """What is logged, with `…` for what is filled in."""
    for call in log_calls():
        texts = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        assert texts, f"a message that is no literal: {ast.unparse(call)}"
        yield re.sub(r"%[sdr]", "…", texts[0])


def fields() -> set[str]:
    """Every field that a line of a logger can have beside those of each line."""
    found = {"logger", "traceId", "error"}
    for call in log_calls():
        for keyword in call.keywords:
            if keyword.arg == "extra" and isinstance(keyword.value, ast.Dict):
                found |= {ast.literal_eval(key) for key in keyword.value.keys if key is not None}
    return found


def table(after: str) -> list[str]:
    """The first column of the first table after a text of docs/operating.md, code alone."""
    rows = OPERATING.partition(after)[2].partition("|---")[2].splitlines()[1:]
    cells = []
    for row in rows:
        if not row.startswith("|"):
            break
        cells.append(row.split(" | ")[0].lstrip("| "))
    assert cells, after
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


class TestLogs:
    def test_each_line_and_a_requests_line_have_the_fields(self, gateway: Gateway, issuer: Issuer) -> None:
        gateway.get("/users/me?a=b", issuer.mint())
        line = gateway.access_line("/users/me")
        assert list(line) == [*table("Each line:"), *table("A request's line")]

    def test_a_line_of_what_could_not_be_read(self, gateway: Gateway) -> None:
        gateway.provoke(b"GET / HTTP/1.1\r\nBad Name: a\r\n\r\n")
        line = gateway.wait_line(lambda line: line["message"] == "HTTP: refused 400")
        assert line.keys() == {*table("Each line:"), "statusCode", "traceId", "ip", "reason"}

    def test_other_lines_have_no_other_fields(self) -> None:
        assert set(table("Other lines have besides")) == fields()

    def test_every_message_is_explained_and_no_other(self) -> None:
        explained = set(table("What the lines mean"))
        said = [text for text in MASTERS if text in (ROOT / "gunicorn.conf.py").read_text()]
        assert said == list(MASTERS)
        written = set(messages()) | {re.sub("%[sd]", "…", text) for text in said}
        for message in written:
            assert message in explained or any(
                message.startswith(begin) for begin in explained if not begin.endswith("…")
            ), f"explain {message!r}"
        for begin in explained:
            assert any(message.startswith(begin) for message in written), f"nobody logs {begin!r}"

    def test_every_action_is_named(self) -> None:
        reported = {
            ast.literal_eval(node.args[0])
            for module in sources()
            for node in ast.walk(module)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "note"
        }
        (row,) = [line for line in OPERATING.splitlines() if line.startswith("| `action`")]
        assert reported == set(re.findall(r"`([a-z_]+)`", row)) - {"action"}


class TestMetrics:
    def test_every_metric_is_listed_with_its_kind_and_labels(self) -> None:
        rows = [row.split("|")[1:4] for row in section("Metrics").splitlines() if row.startswith("| `")]
        listed = {name.strip(" `"): (kind.strip(), re.findall(r"`(\w+)`", labels)) for name, kind, labels in rows}
        there = {metric.name: (metric.kind, list(metric.labels)) for metric in registered()}
        assert listed == there


class TestTraces:
    def test_every_attribute_is_listed(self) -> None:
        rows = [row.split("|")[1] for row in section("Traces").splitlines() if row.startswith("| `")]
        assert {name for row in rows for name in re.findall(r"`([a-z_.]+)`", row)} == ATTRIBUTES


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.relative_to(ROOT).as_posix())
class TestNames:
    def test_paths_are_routed(self, gateway: Gateway, document: Path) -> None:
        routed = "\n".join(gateway.get("/openapi.json").json()["paths"])
        for path in set(PATHS.findall(document.read_text())):
            assert path.rstrip("/") in routed, path

    def test_settings_are_read(self, document: Path) -> None:
        """OTEL_* are the SDK's own."""
        known = {*NAMES, *OLD_NAMES.values(), *(f"{name}_FILE" for name in SECRETS)} | NOT_SETTINGS
        named = {name for name in SETTING.findall(document.read_text()) if not name.startswith("OTEL_")}
        assert named <= known

    def test_links_lead_somewhere(self, document: Path) -> None:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / target).exists(), target

    def test_commands_of_make_are_there(self, document: Path) -> None:
        makefile = (ROOT / "Makefile").read_text()
        for target in set(re.findall(r"\bmake ([a-z-]+)", "\n".join(code(document.read_text())))):
            assert re.search(rf"^(?:[a-z-]+ )*{target}\b[^:]*:", makefile, re.MULTILINE), target


GUIDES = [ROOT / "CONTRIBUTING.md", ROOT / "tests" / "README.md", *sorted((ROOT / "docs" / "decisions").glob("*.md"))]


@pytest.mark.parametrize("document", [*DOCUMENTS, *GUIDES], ids=lambda document: document.relative_to(ROOT).as_posix())
def test_modules_are_there(document: Path) -> None:
    for module in set(MODULES.findall(document.read_text())) - TO_BE_ADDED:
        assert (ROOT / module).exists(), module


def code(text: str) -> list[str]:
    """What is marked as code."""
    return re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL)
