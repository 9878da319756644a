"""Exemplars: from a bucket of the durations to a trace, with several workers, for those who ask for OpenMetrics."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import replies
from harness.collector import Collector
from harness.gateway import Gateway, StartGateway
from harness.gateways import GatewayFactory
from harness.issuer import Issuer
from harness.metrics import metrics_folder, scrape
from harness.service import Service
from harness.waiting import until
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from gateway.instruments import Exemplars, WithExemplars
from gateway.instruments.exemplars import EXEMPLARS_KEPT

ACCEPT = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}
SLOW_SECONDS = 0.3
REQUESTS, CALLS = "http_request_duration_seconds", "service_proxy_duration_seconds"


@pytest.fixture(scope="module")
def sampled(make_gateway: GatewayFactory, collector: Collector) -> Iterator[Gateway]:
    with make_gateway(collector.env, workers=2) as running:
        yield running


def exemplars(gateway: Gateway, histogram: str, **labels: str) -> list[Sample]:
    """The buckets with an exemplar of the series with these labels."""
    answer = gateway.get("/metrics", headers=ACCEPT)
    assert answer.status == 200 and (answer.header("Content-Type") or "").startswith("application/openmetrics-text")
    return [
        sample
        for family in text_string_to_metric_families(answer.text)  # type: ignore[no-untyped-call]
        for sample in family.samples
        if sample.exemplar and sample.name == f"{histogram}_bucket" and labels.items() <= sample.labels.items()
    ]


def trace_ids(samples: list[Sample]) -> set[str]:
    return {sample.exemplar.labels["trace_id"] for sample in samples if sample.exemplar}


def slowest(samples: list[Sample]) -> float:
    return max((sample.exemplar.value for sample in samples if sample.exemplar), default=0.0)


def test_a_bucket_leads_to_a_trace(sampled: Gateway, collector: Collector, interviews: Service, issuer: Issuer) -> None:
    """Whichever worker is asked."""
    token = issuer.mint()
    interviews.answer = replies.per_path({
        b"/interviews/quick": replies.sized(200), b"/interviews/slow": replies.slow(SLOW_SECONDS, replies.sized(200))
    })  # fmt: skip
    with ThreadPoolExecutor(8) as pool:
        paths = ["/interviews/quick"] * 20 + ["/interviews/slow"] * 4
        assert {answer.status for answer in pool.map(lambda path: sampled.get(path, token), paths)} == {200}
    labels = {"route": "/interviews/<id>", "method": "GET", "status": "200"}
    until(lambda: slowest(exemplars(sampled, REQUESTS, **labels)) >= SLOW_SECONDS, 10, "the slow ones")
    until(lambda: len({repr(exemplars(sampled, REQUESTS, **labels)) for _ in range(8)}) == 1, 10, "one voice")
    found = exemplars(sampled, REQUESTS, **labels)
    lines = {line["traceId"]: line for line in sampled.lines() if str(line.get("url")).startswith("/interviews/")}
    assert trace_ids(found) <= lines.keys()
    for sample in found:
        assert sample.exemplar and sample.exemplar.value <= float(sample.labels["le"])
        line = lines[sample.exemplar.labels["trace_id"]]
        assert abs(sample.exemplar.value * 1000 - line["duration"]) < 0.1
        assert sample.exemplar.value >= SLOW_SECONDS or line["url"] != "/interviews/slow"
        collector.wait(line["traceId"], 2)
    calls = exemplars(sampled, CALLS, service="interview-service")
    assert calls and trace_ids(calls) <= lines.keys()


def test_the_classic_text_has_none(sampled: Gateway, issuer: Issuer) -> None:
    assert sampled.get("/interviews/1", issuer.mint()).status == 200
    until(lambda: exemplars(sampled, REQUESTS, route="/interviews/<id>"), 10, "an exemplar")
    text = scrape(sampled).text
    assert "trace_id" not in text and " # " not in text.replace("\n# ", "\n")


def test_only_of_requests_with_a_trace(
    start_gateway: StartGateway, collector: Collector, interviews: Service, issuer: Issuer
) -> None:
    """A failure has one, sampled or not."""
    gateway = start_gateway({**collector.env, "OTEL_TRACES_SAMPLER": "always_off"})
    token = issuer.mint()
    assert gateway.get("/interviews/ok", token).status == 200
    interviews.answer = replies.sized(500)
    assert gateway.get("/interviews/failed", token).status == 500
    route = "/interviews/<id>"
    until(lambda: exemplars(gateway, REQUESTS, route=route), 10, "an exemplar")
    assert trace_ids(exemplars(gateway, REQUESTS, route=route)) == {
        gateway.access_line("/interviews/failed")["traceId"]
    }


def test_a_worker_that_ends_leaves_none(start_gateway: StartGateway, collector: Collector, issuer: Issuer) -> None:
    gateway = start_gateway(collector.env)
    assert gateway.get("/interviews/1", issuer.mint()).status == 200
    until(lambda: exemplars(gateway, REQUESTS, route="/interviews/<id>"), 10, "an exemplar")
    gateway.signal(signal.SIGHUP)
    until(lambda: not exemplars(gateway, REQUESTS, route="/interviews/<id>"), 15, "their end")
    assert scrape(gateway).value("http_requests_total", method="GET", route="/interviews/<id>", status="200") == 1


def test_they_are_bounded() -> None:
    """The oldest go."""
    registry = CollectorRegistry()
    histogram = Histogram("a_seconds", "A.", ("route",), registry=registry, buckets=(0.1, 1.0))
    kept = Exemplars((0.1, 1.0))
    for number in range(EXEMPLARS_KEPT + 5):
        kept.keep("a_seconds", {"route": str(number)}, 0.1, f"{number:032x}")
        histogram.labels(str(number)).observe(0.1)
    kept.keep("a_seconds", {"route": "5"}, 7.0, "f" * 32)
    assert len(kept.all()) == EXEMPLARS_KEPT
    (family,) = WithExemplars(registry, kept.all()).collect()
    shown = {sample.labels["route"] for sample in family.samples if sample.exemplar}
    assert shown == {str(number) for number in range(6, EXEMPLARS_KEPT + 5)} | {"5"}
    (last,) = [s for s in family.samples if s.labels["route"] == "5" and s.labels.get("le") == "+Inf"]
    assert last.exemplar and (last.exemplar.value, last.exemplar.labels) == (7.0, {"trace_id": "f" * 32})


def test_a_file_that_is_no_json_costs_no_metrics(
    start_gateway: StartGateway, collector: Collector, issuer: Issuer
) -> None:
    gateway = start_gateway(collector.env)
    assert gateway.get("/interviews/1", issuer.mint()).status == 200
    until(lambda: exemplars(gateway, REQUESTS, route="/interviews/<id>"), 10, "an exemplar")
    (metrics_folder(gateway) / "exemplars_1.json").write_bytes(b"[[")
    assert exemplars(gateway, REQUESTS, route="/interviews/<id>")
