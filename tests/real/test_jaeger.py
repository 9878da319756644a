"""A real Jaeger, by both ways in: the spans are read back as they were sent."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.jaeger import Jaeger
from harness.shipping import ShippingProcess
from harness.spans import ATTRIBUTES, HIGH, MS, SERVICE_NAME, a_trace
from harness.waiting import until

from gateway.traces import JaegerExporter, OtlpExporter
from gateway.transport import Adapter, Session, Timeouts, tls_context

WAYS = ["Thrift", "OTLP"]


@pytest.fixture(scope="module")
def jaeger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaeger]:
    with Jaeger(tmp_path_factory.mktemp("jaeger")) as running:
        yield running


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def typed(tags: list[dict[str, Any]]) -> dict[str, tuple[str, Any]]:
    """Key → type and value, less what the collector adds by itself."""
    return {tag["key"]: (tag["type"], tag["value"]) for tag in tags if tag["key"] != "@jaeger@format"}


@pytest.fixture(scope="module")
def at() -> int:
    return time.time_ns() // MS * MS + 123_000


@pytest.fixture(scope="module")
def sent(jaeger: Jaeger, at: int) -> dict[str, dict[str, Any]]:
    """Way → what Jaeger says of the trace."""
    adapter = Adapter(tls_context(None), Timeouts(2.0, 2.0, 2.0))
    session = Session(adapter)
    found = {}
    for number, exporter in enumerate(
        (JaegerExporter(jaeger.thrift, session), OtlpExporter(f"{jaeger.otlp}/v1/traces", {}, session))
    ):
        spans = a_trace(HIGH + number, at)
        exporter.send(spans)
        until(lambda spans=spans: len(jaeger.trace(spans[0].context.trace_id).get("spans", [])) == 2)
        found[WAYS[number]] = jaeger.trace(spans[0].context.trace_id)
        ids = {span["operationName"]: span["spanID"] for span in found[WAYS[number]]["spans"]}
        assert ids == {span.name: f"{span.context.span_id:016x}" for span in spans}
    adapter.close()
    return found


def both(trace: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The client's span and the server's."""
    named = {span["operationName"]: span for span in trace["spans"]}
    return named["GET"], named["GET /users/me"]


def test_parents(sent: dict[str, dict[str, Any]], way: str) -> None:
    client, server = both(sent[way])
    (parent,) = client["references"]
    assert parent == {"refType": "CHILD_OF", "traceID": client["traceID"], "spanID": server["spanID"]}
    assert sorted((each["refType"], each["traceID"], each["spanID"]) for each in server["references"]) == [
        ("CHILD_OF", server["traceID"], f"{HIGH:016x}"),
        ("FOLLOWS_FROM", f"{HIGH:016x}{5:016x}", f"{HIGH:016x}"),
    ]


def test_times(sent: dict[str, dict[str, Any]], at: int, way: str) -> None:
    client, server = both(sent[way])
    assert (server["startTime"], server["duration"]) == (at // 1000, 500_000)
    assert (client["startTime"], client["duration"]) == (at // 1000 + 7_000, 10_000)


def test_tags(sent: dict[str, dict[str, Any]], way: str) -> None:
    client, server = (typed(span["tags"]) for span in both(sent[way]))
    kinds = {str: "string", bool: "bool", int: "int64", float: "float64"}
    plain = {name: value for name, value in ATTRIBUTES.items() if not isinstance(value, tuple)}
    assert server == {
        **{name: (kinds[type(value)], value) for name, value in plain.items()},
        "largest": ("int64", str(ATTRIBUTES["largest"])),  # so that no JavaScript rounds it
        "texts": ("string", '["a","b"]'),
        "numbers": ("string", "[1,2]"),
        "span.kind": ("string", "server"),
        "otel.scope.name": ("string", "the-scope"),
        "otel.status_code": ("string", "OK"),
        "w3c.tracestate": ("string", "vendor=value"),
    }
    assert client == {
        "span.kind": ("string", "client"),
        "otel.scope.name": ("string", "the-scope"),
        "otel.status_code": ("string", "ERROR"),
        "otel.status_description": ("string", "refused"),
        "error": ("bool", True),
        "w3c.tracestate": ("string", "vendor=value"),
    }


def test_events(sent: dict[str, dict[str, Any]], at: int, way: str) -> None:
    client, server = both(sent[way])
    (log,) = server["logs"]
    assert log["timestamp"] == at // 1000 + 77_000 and not client["logs"]
    assert typed(log["fields"]) == {"event": ("string", "retried"), "attempt": ("int64", 2)}


def test_the_process(sent: dict[str, dict[str, Any]], way: str) -> None:
    (process,) = sent[way]["processes"].values()
    assert process["serviceName"] == SERVICE_NAME
    assert typed(process["tags"]) == {"service.version": ("string", "1.2"), "host.cpus": ("int64", 2)}


def numbers(jaeger: Jaeger) -> list[int]:
    return sorted(int(name.split()[1]) for name in jaeger.names("tests"))


@pytest.mark.conformance("F4")
@pytest.mark.parametrize(
    ("down", "up"),
    [(Jaeger.kill, Jaeger.start), (Jaeger.hang, Jaeger.go_on)],
    ids=["killed", "hanging"],
)
def test_jaeger_goes_and_comes_back(
    tmp_path: Path, way: str, down: Callable[[Jaeger], None], up: Callable[[Jaeger], None]
) -> None:
    """Nothing is lost in a short outage; it is one line, and its end another."""
    with Jaeger(tmp_path) as jaeger:
        options: dict[str, Any] = {
            "Thrift": {"jaeger": jaeger.thrift},
            "OTLP": {"environ": {"OTEL_EXPORTER_OTLP_ENDPOINT": jaeger.otlp}},
        }[way]
        with ShippingProcess(tmp_path, **options) as shipping:
            shipping.put(0, 100)
            until(lambda: numbers(jaeger) == list(range(100)), 10)
            down(jaeger)
            shipping.put(100, 200)
            until(shipping.told, 10)
            shipping.put(200, 300)
            assert shipping.took < 1
            up(jaeger)
            until(lambda: set(numbers(jaeger)) == set(range(300)), 20)
            until(lambda: len(shipping.told()) == 2, 10)
            assert shipping.dropped == 0
