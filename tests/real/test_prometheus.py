"""A real Prometheus before a gateway with four workers: its sums are right whatever happens to a worker, clients make
no series, the dashboard's queries are answered, an alert fires."""

import json
import os
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from harness import http, replies
from harness.broken import run
from harness.collector import Collector
from harness.each_worker import each_worker
from harness.gateway import ROOMY, Gateway, StartGateway
from harness.issuer import Issuer
from harness.lifetime import Threads
from harness.monitoring import alerts, first_command, metrics, panel_queries
from harness.prometheus import Prometheus
from harness.service import Service
from harness.waiting import until

from gateway.instruments import WRITE_SECONDS

pytestmark = pytest.mark.timeout(400)

WORKERS = 4
SECRET = "a-shared-secret-of-the-tests-0123456789"
SCRAPED = 30
"""Seconds for what has happened to be in Prometheus, which asks each second."""

REQUESTS = 'sum(http_requests_total{job="api-gateway", route="/users/me"})'
COUNTING = [name for name in metrics() if re.search("_(total|count|sum|bucket)$", name)]


@pytest.fixture
def watched(start_gateway: StartGateway) -> Gateway:
    return start_gateway(workers=WORKERS)


@pytest.fixture
def prometheus(watched: Gateway, tmp_path: Path) -> Iterator[Prometheus]:
    with Prometheus(tmp_path / "prometheus", watched.port) as running:
        yield running


CLIENTS, KILLS = 4, 3
UNDER_WAY = CLIENTS * KILLS
"""So many requests at most are in a worker as it dies."""


class Clients(Threads):
    """CLIENTS that ask all the time; they bear that a worker dies. `answered` are those that got a whole 200."""

    def __init__(self, gateway: Gateway, token: str) -> None:
        self.answered = self.broken = 0
        self.others: list[http.Answer] = []
        self._gateway, self._token = gateway, token
        self._lock = threading.Lock()
        super().__init__(*[self._ask] * CLIENTS, name="client")

    def _ask(self) -> None:
        while not self.done.is_set():
            try:
                answer = self._gateway.get("/users/me", self._token, timeout=60)
            except (OSError, ValueError):  # the worker died with it
                with self._lock:
                    self.broken += 1
                continue
            with self._lock:
                if answer.status == 200 and answer.complete:
                    self.answered += 1
                elif answer.status == 200:
                    self.broken += 1
                else:
                    self.others.append(answer)


def settled(prometheus: Prometheus, expected: Callable[[float], bool], query: str = REQUESTS) -> float:
    """The value of a query, once it is as expected."""
    last: list[float | None] = [None]

    def fits() -> bool:
        last[0] = prometheus.value(query)
        return last[0] is not None and expected(last[0])

    try:
        until(fits, SCRAPED, query)
    except AssertionError as error:
        raise AssertionError(f"{error}: it is {last[0]}") from None
    assert last[0] is not None
    return last[0]


def check_nothing_went_back(prometheus: Prometheus) -> None:
    """In no series, and at no time since Prometheus began to ask."""
    for name in COUNTING:
        went_back = prometheus.query(f'resets({name}{{job="api-gateway"}}[1h]) > 0')
        assert not went_back, (name, went_back)


@pytest.mark.conformance("S3")
def test_sums_are_those_of_all_workers(watched: Gateway, prometheus: Prometheus, issuer: Issuer) -> None:
    """Each worker has served another number of requests."""
    bearer = {"Authorization": f"Bearer {issuer.mint()}"}
    with each_worker(watched) as connections:
        assert len(connections) == WORKERS
        for number, connection in enumerate(connections.values(), 1):
            for _ in range(number * 10):
                connection.request("GET", "/users/me", bearer)
                assert connection.receive().status == 200
    asked = sum(number * 10 for number in range(1, WORKERS + 1))
    assert settled(prometheus, lambda value: value >= asked) == asked
    for count in ("http_request_duration_seconds_count", "http_request_duration_seconds_bucket"):
        infinite = ', le="+Inf"' if count.endswith("bucket") else ""
        query = f'sum({count}{{job="api-gateway", route="/users/me"{infinite}}})'
        assert settled(prometheus, lambda value: value >= asked, query) == asked
    calls = 'service_proxy_duration_seconds_count{job="api-gateway", service="user-service"}'
    assert settled(prometheus, lambda value: value >= asked, calls) == asked
    checks = 'jwt_validation_duration_seconds_count{job="api-gateway"}'
    assert settled(prometheus, lambda value: value >= asked, checks) == asked
    check_nothing_went_back(prometheus)


@pytest.mark.conformance("S3")
def test_a_worker_that_is_killed_takes_no_count_along(watched: Gateway, prometheus: Prometheus, issuer: Issuer) -> None:
    """At most what was answered since the worker wrote its counts is not known, and what each client had under way."""
    unwritten = 0
    with Clients(watched, issuer.mint()) as clients:
        for _ in range(KILLS):
            before = clients.answered
            until(lambda: clients.answered > before + 100, 30, "requests to be answered")
            there, before = watched.workers(), clients.answered
            time.sleep(WRITE_SECONDS + 0.5)
            os.kill(there[0], signal.SIGKILL)
            unwritten += clients.answered - before
            until(lambda: len(set(watched.workers()) - {there[0]}) == WORKERS, 30, "a new worker")
            time.sleep(2)  # Prometheus looks meanwhile
    assert not clients.others
    assert clients.broken <= UNDER_WAY, "the other workers served on"
    least, most = clients.answered - UNDER_WAY - unwritten, clients.answered + clients.broken
    settled(prometheus, lambda value: least <= value <= most)
    check_nothing_went_back(prometheus)
    settled(prometheus, lambda value: value == 1, 'active_connections{job="api-gateway"}')


@pytest.mark.conformance("S3")
def test_a_worker_that_is_killed_leaves_nothing_under_way(
    watched: Gateway, prometheus: Prometheus, issuer: Issuer, users: Service
) -> None:
    """Requests that hang in it, and their calls, are forgotten; one is always Prometheus's own."""
    users.answer = replies.hang()
    under_way = 'active_connections{job="api-gateway"}'
    calls = 'service_calls_in_flight{job="api-gateway", service="user-service"}'
    bearer = {"Authorization": f"Bearer {issuer.mint()}"}
    settled(prometheus, lambda value: value == 1, under_way)
    with each_worker(watched) as connections:
        for connection in connections.values():
            connection.request("GET", "/users/me", bearer)
        settled(prometheus, lambda value: value == WORKERS + 1, under_way)
        settled(prometheus, lambda value: value == WORKERS, calls)
        killed = next(iter(connections))
        os.kill(killed, signal.SIGKILL)
        settled(prometheus, lambda value: value == WORKERS, under_way)
        settled(prometheus, lambda value: value == WORKERS - 1, calls)
    settled(prometheus, lambda value: value == 1, under_way)
    settled(prometheus, lambda value: value == 0, calls)


@pytest.mark.conformance("S3")
def test_counts_go_on_after_a_reload(watched: Gateway, prometheus: Prometheus, issuer: Issuer) -> None:
    token = issuer.mint()
    for round_ in range(1, 4):
        for _ in range(25):
            assert watched.get("/users/me", token, timeout=60).status == 200
        assert settled(prometheus, lambda value: value >= 25 * round_) == 25 * round_
        old = set(watched.workers())
        watched.signal(signal.SIGHUP)
        until(lambda: len(set(watched.workers())) == WORKERS and not old & set(watched.workers()), 30, "a reload")
    assert watched.get("/users/me", token, timeout=60).status == 200
    assert settled(prometheus, lambda value: value >= 76) == 76
    check_nothing_went_back(prometheus)


@pytest.mark.conformance("G4")
def test_ten_thousand_odd_clients_make_no_series(
    start_gateway: StartGateway, issuer: Issuer, services: Mapping[str, Service], tmp_path: Path
) -> None:
    """No path, method, host or user is like another; what is refused, and why, is as it was of the first hundred.
    Their tokens are HS256 ones, of which so many are quickly made."""
    gateway = start_gateway({"JWT_ALGORITHMS": "RS256,HS256", "JWT_SECRET": SECRET}, workers=WORKERS, services=services)

    def ask(numbers: range) -> None:
        with ThreadPoolExecutor(4) as pool:
            for _ in pool.map(lambda number: odd(gateway, issuer, number), numbers):
                pass

    series = 'scrape_samples_post_metric_relabeling{job="api-gateway"}'
    with Prometheus(tmp_path / "prometheus", gateway.port) as prometheus:
        ask(range(100))
        before = counted(gateway, 100)
        settled(prometheus, lambda value: value == len(before), series)
        ask(range(100, 10_100))
        after = counted(gateway, 10_100)
        assert after.keys() == before.keys()
        assert "mark" not in gateway.get("/metrics").text.lower()
        settled(prometheus, lambda value: value >= 10_100, 'sum(http_requests_total{job="api-gateway"})')
        assert prometheus.value(series) == len(before)


def odd(gateway: Gateway, issuer: Issuer, number: int) -> None:
    """One of ten kinds by its number; each of them always ends the same way."""
    mark = f"mark{number:x}{random.getrandbits(40):x}"
    token = issuer.mint(sub=mark, alg="HS256", key=SECRET.encode(), headers={"kid": None})
    kinds: list[tuple[str, str, str | None, int]] = [
        ("GET", f"/{mark}/{mark}", None, 404),
        ("GET", f"/interviews/{mark}", token, 200),
        ("PUT", f"/interviews/{mark}/{mark}/{mark}", token, 200),
        ("GET", f"/media/{mark}?{mark}={mark}", token, 200),
        (mark.upper(), "/users/me", token, 501),
        (mark, f"/{mark}", None, 501),
        ("GET", "/users/me", mark, 401),
        ("DELETE", f"/users/me/{mark}", token, 404),
        ("POST", f"/auth/{mark}", None, 404),
        ("GET", f"/interviews/%{number % 10}g{mark}", token, 400),
    ]
    method, path, bearer, status = kinds[number % len(kinds)]
    headers = {"Host": f"{mark}.example", "X-Request-Id": mark, "User-Agent": mark, "Origin": f"https://{mark}.example"}
    answer = gateway.get(path, bearer, headers, method=method)
    assert answer.status == status, (method, path, answer)


def counted(gateway: Gateway, requests: int) -> dict[str, float]:
    """The samples, once the workers have written that many requests to them, besides those for metrics and health."""

    def are_written(now: Mapping[str, float]) -> bool:
        asked = [name for name in now if re.match(r'http_requests_total\{(?!.*route="/(metrics|health))', name)]
        return sum(now[name] for name in asked) >= requests

    return until(lambda: are_written(found := samples(gateway)) and found, 15, f"{requests} requests to be counted")


def samples(gateway: Gateway) -> dict[str, float]:
    """Every sample of /metrics, by its name with its labels."""
    lines = gateway.get("/metrics").text.splitlines()
    pairs = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in pairs}


def test_every_query_of_the_dashboard_is_answered(
    start_gateway: StartGateway, issuer: Issuer, users: Service, tmp_path: Path
) -> None:
    """With data, after a bit of everything; but for events, which are nobody's yet."""
    settings = {**ROOMY, "RATE_LIMIT_AUTH": "1 per minute"}
    gateway = start_gateway(settings, services={"users": users}, workers=WORKERS)
    token = issuer.mint()
    users.answer = replies.per_path({b"/users/me?hang": replies.hang()})
    with Prometheus(tmp_path / "prometheus", gateway.port) as prometheus:

        def a_bit_of_everything() -> None:
            gateway.get("/users/me", token)
            gateway.get("/users/me", "no token")
            gateway.get("/interviews", token)  # refused
            for _ in range(2 * WORKERS):
                gateway.get("/auth/login", method="POST", headers={"Origin": "http://localhost:3000"})
            with http.Connection(gateway.port) as leaving:
                leaving.request("GET", "/users/me?hang", {"Authorization": f"Bearer {token}"})
                until(lambda: users.requests and users.last.target.endswith(b"hang"), 10, "the call to arrive")

        def without_data() -> list[str]:
            a_bit_of_everything()
            return [query.place for query in panel_queries() if not prometheus.query(query.expression)]

        until(lambda: not without_data(), 60, "data of every query")
        for rule in alerts():
            prometheus.query(rule["expr"])


def test_an_alert_fires_and_ends(start_gateway: StartGateway, issuer: Issuer, users: Service, tmp_path: Path) -> None:
    """A service refuses: its breaker opens, Alertmanager is told with the place in the runbook; the service returns."""
    token = issuer.mint()
    with Service() as service, Service() as alertmanager:
        gateway = start_gateway(services={"users": service, "interviews": users}, workers=WORKERS)
        with Prometheus(tmp_path / "prometheus", gateway.port, urlsplit(alertmanager.url).netloc) as prometheus:

            def about_the_service() -> dict[str, dict[str, str]]:
                gateway.get("/users/me", token)
                return {
                    alert["labels"]["alertname"]: alert["annotations"]
                    for alert in prometheus.firing()
                    if alert["labels"].get("service") == "user-service"
                }

            for _ in range(20):
                assert gateway.get("/users/me", token).status == 200
            assert not about_the_service()
            service.stop()
            firing = until(lambda: "GatewayBreakerOpen" in about_the_service() and about_the_service(), 60, "an alert")
            assert firing["GatewayBreakerOpen"]["runbook"] == "docs/runbook.md#gatewaybreakeropen"
            reported = until(lambda: told_of(alertmanager, "GatewayBreakerOpen"), 60, "Alertmanager to be told")
            assert reported["labels"]["severity"] == "critical" and "user-service" in reported["annotations"]["summary"]
            service.start()
            until(lambda: "GatewayBreakerOpen" not in about_the_service(), 60, "the alert to end")
            assert gateway.get("/users/me", token).status == 200


def test_a_prometheus_without_the_gateways_names_the_jobs_that_it_has(watched: Gateway, tmp_path: Path) -> None:
    """GatewayAbsent fires, and the runbook's first command says what is scraped, and that it is up."""
    with Prometheus(tmp_path / "prometheus", watched.port, job="node") as prometheus:
        firing = until(lambda: [alert["labels"]["alertname"] for alert in prometheus.firing()], 60, "an alert")
        assert firing == ["GatewayAbsent"]
        lines = run(watched, first_command("GatewayAbsent"), prometheus.url).split("\n")
    shown = {line.strip() for line in lines if line}
    assert shown == {'1 "health":"up"', '1 "lastError":""', '1 "scrapePool":"node"'}


def told_of(alertmanager: Service, name: str) -> dict[str, dict[str, str]] | None:
    """What Alertmanager was sent of an alert."""
    sent = [alert for request in list(alertmanager.requests) if request.body for alert in json.loads(request.body)]
    return next((alert for alert in sent if alert["labels"]["alertname"] == name), None)


def test_exemplars_are_kept(start_gateway: StartGateway, issuer: Issuer, tmp_path: Path) -> None:
    """It asks for OpenMetrics by itself; each leads to a request of either worker."""
    with Collector() as collector:
        gateway = start_gateway({**ROOMY, **collector.env}, workers=2)
        with Prometheus(tmp_path / "prometheus", gateway.port) as prometheus:
            for number in range(20):
                assert gateway.get(f"/interviews/{number}", issuer.mint()).status == 200
            route = '{route="/interviews/<id>"}'
            found = until(lambda: prometheus.exemplars(f"http_request_duration_seconds_bucket{route}"), 20, "exemplars")
            calls = until(lambda: prometheus.exemplars("service_proxy_duration_seconds_bucket"), 20, "exemplars")
        traces = {line["traceId"] for line in gateway.lines() if str(line.get("url")).startswith("/interviews/")}
        assert found <= traces and calls <= traces
        gateway.stop()
