"""Metrics (docs/operating.md; statements S3, G4): what is counted, by which names, right over all workers and their
ends."""

import os
import shutil
import signal
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from harness import http, jose, replies
from harness.each_worker import connected, each_worker
from harness.gateway import FRONTEND, Gateway, StartGateway
from harness.gateways import GatewayFactory
from harness.http import Connection
from harness.issuer import Issuer
from harness.metrics import Metrics, counted, metrics_folder, scrape
from harness.ports import free_port
from harness.service import Answerer, Received, Service
from harness.waiting import until

from gateway.http_methods import SERVED

REQUEST = {"method", "route", "status"}
# docs/operating.md, Metrics: name → kind, labels.
NAMES: dict[str, tuple[str, set[str]]] = {
    "http_request_duration_seconds": ("histogram", REQUEST),
    "http_requests_total": ("counter", REQUEST),
    "http_request_errors_total": ("counter", REQUEST),
    "active_connections": ("gauge", set()),
    "jwt_validation_duration_seconds": ("histogram", set()),
    "jwt_validation_errors_total": ("counter", {"reason"}),
    "service_proxy_duration_seconds": ("histogram", {"service"}),
    "service_proxy_errors_total": ("counter", {"service", "kind"}),
    "service_proxy_retries_total": ("counter", {"service"}),
    "service_responses_total": ("counter", {"service", "instance", "status"}),
    "service_calls_in_flight": ("gauge", {"service"}),
    "service_breaker_open": ("gauge", {"service"}),
    "rate_limit_hits_total": ("counter", {"rule"}),
    "redis_fallback": ("gauge", set()),
    "rate_limits_unshared": ("gauge", set()),
    "metrics_unshared": ("gauge", set()),
    "event_loop_lag_seconds": ("histogram", set()),
    "log_lines_dropped_total": ("counter", {"where"}),
    "spans_dropped_total": ("counter", set()),
    "events_sent_total": ("counter", set()),
    "events_failed_total": ("counter", set()),
    "events_dropped_total": ("counter", set()),
    "events_queue_length": ("gauge", set()),
    "gateway_build_info": ("gauge", {"version", "commit"}),
}
SECRET = "a-shared-secret-of-the-tests-0123456789"
HS256 = {"JWT_ALGORITHMS": "RS256,HS256", "JWT_SECRET": SECRET}


@pytest.fixture(scope="module")
def gateway(make_gateway: GatewayFactory) -> Iterator[Gateway]:
    """One worker, and tokens that cost little to make."""
    env = {**HS256, "JWT_ALLOWED_CLIENTS": "ai-video-interview-app"}
    with make_gateway(env) as running:
        yield running


@pytest.fixture(scope="module")
def three(make_gateway: GatewayFactory) -> Iterator[Gateway]:
    """Three workers."""
    with make_gateway(workers=3) as running:
        yield running


@pytest.fixture(params=["gateway", "three"], ids=["1 worker", "3 workers"])
def any_gateway(request: pytest.FixtureRequest) -> Gateway:
    found: Gateway = request.getfixturevalue(request.param)
    return found


def increase(before: Metrics, after: Metrics, name: str, **labels: object) -> float:
    return after.total(name, **labels) - before.total(name, **labels)


def wait_for(gateway: Gateway, before: Metrics, count: float, name: str, **labels: object) -> Metrics:
    """The metrics once a counter has grown by `count`."""
    return counted(gateway, lambda now: increase(before, now, name, **labels) == count)


@contextmanager
def held(service: Service) -> Iterator[None]:
    """The service answers when the `with` ends."""
    release = threading.Event()

    def answer(received: Received, conn: Any) -> None:
        release.wait(20)
        replies.sized(200, body=b"late")(received, conn)

    service.answer = answer
    try:
        yield
    finally:
        release.set()


class TestNames:
    @pytest.fixture(scope="class")
    @classmethod
    def metrics(cls, make_gateway: GatewayFactory, issuer: Issuer) -> Iterator[Metrics]:
        """After something of everything has happened, on two workers."""
        env = {"RATE_LIMIT_AUTH": "1 per hour"}
        with make_gateway(env, services=["users"], workers=2) as gateway:
            for _ in range(4):
                gateway.get("/users/me", issuer.mint())
                gateway.get("/interviews", issuer.mint())
                gateway.get("/users/me", "bad")
                gateway.get("/auth/callback")
            yield counted(gateway, lambda now: now.total("http_requests_total", route="/auth/callback") == 4)

    def test_the_names_are_those_of_the_document(self, metrics: Metrics) -> None:
        kinds = {f"{name}_total" if kind == "counter" else name: kind for name, kind in metrics.kinds.items()}
        assert kinds == {name: kind for name, (kind, _) in NAMES.items()}

    @pytest.mark.parametrize("name", NAMES)
    def test_metrics_have_their_labels(self, metrics: Metrics, name: str) -> None:
        kind, labels = NAMES[name]
        if kind == "histogram":
            assert metrics.labels(f"{name}_count") == metrics.labels(f"{name}_sum") == labels
            assert metrics.labels(f"{name}_bucket") == labels | {"le"}
        elif name != "service_proxy_retries_total":
            assert metrics.labels(name) == labels
        assert f"# TYPE {name} {kind}\n" in metrics.text
        assert f"# HELP {name} " in metrics.text

    def test_metrics_are_there_from_the_start(self, start_gateway: StartGateway) -> None:
        """So that an alert on a rate sees the first one."""
        metrics = scrape(start_gateway())
        for name in ("active_connections", "redis_fallback", "spans_dropped_total"):
            assert (name, frozenset()) in metrics.samples
        for where in ("stdout", "loki"):
            assert ("log_lines_dropped_total", frozenset({("where", where)})) in metrics.samples
        for service in ("user-service", "interview-service", "media-service"):
            labels = frozenset({("service", service)})
            assert ("service_calls_in_flight", labels) in metrics.samples
            assert ("service_breaker_open", labels) in metrics.samples
            assert ("service_proxy_retries_total", labels) in metrics.samples

    @pytest.mark.parametrize(
        ("accept", "kind"),
        [
            ("", "text/plain; version=0.0.4"),
            ("*/*", "text/plain; version=0.0.4"),
            (
                "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
                "application/openmetrics-text; version=1.0.0",
            ),
            ("application/openmetrics-text; version=abc", "text/plain; version=0.0.4"),
            ("application/openmetrics-text; version=99999999999", "text/plain; version=0.0.4"),
            ("application/openmetrics-text;version=1.0.0;q=0, text/plain", "text/plain; version=0.0.4"),
            ("text/plain; version=1.x.0", "text/plain; version=0.0.4"),
        ],
        ids=[
            "nothing said",
            "anything",
            "Prometheus",
            "no version",
            "no such version",
            "refused",
            "no version of text",
        ],
    )
    def test_metrics_come_in_the_format_that_is_asked_for(self, any_gateway: Gateway, accept: str, kind: str) -> None:
        answer = any_gateway.get("/metrics", headers={"Accept": accept} if accept else {})
        assert answer.status == 200
        assert (answer.header("Content-Type") or "").startswith(kind)
        assert answer.header("Cache-Control") == "no-store"
        assert "http_requests_total" in answer.text


class TestRequests:
    def test_requests_are_counted_once_each_by_rule_method_and_status(
        self, any_gateway: Gateway, token: str, users: Service, interviews: Service
    ) -> None:
        interviews.answer = replies.per_path({b"/interviews/x/odd": replies.sized(418)})
        before = scrape(any_gateway)
        asked: list[tuple[int, str, str, str, int]] = [
            (7, "GET", "/users/me", "/users/me", 200),
            (3, "PUT", "/users/me?x=y", "/users/me", 200),
            (2, "HEAD", "/users/me", "/users/me", 200),
            (4, "GET", "/interviews/one", "/interviews/<id>", 200),
            (1, "GET", "/interviews/two", "/interviews/<id>", 200),
            (2, "PATCH", "/interviews/three/a/b/c", "/interviews/<id>/<path:rest>", 200),
            (2, "GET", "/interviews/x/odd", "/interviews/<id>/<path:rest>", 418),
            (2, "POST", "/media/a/b", "/media/<path:rest>", 200),
            (5, "GET", "/nope", "other", 404),
            (2, "DELETE", "/users/me", "other", 405),
            (2, "BREW", "/users/me", "other", 501),
            (2, "GET", "/users/..", "other", 400),
            (2, "GET", "/auth/callback", "/auth/callback", 400),
            (2, "POST", "/auth/login", "/auth/login", 200),
            (3, "GET", "/health", "/health", 200),
        ]  # fmt: skip
        for count, method, path, _, status in asked:
            for _ in range(count):
                assert any_gateway.get(path, token, method=method).status == status, path
        any_gateway.provoke(b"GARBAGE\r\n\r\n")

        unasked = {"/metrics", "/health/live", "/health/ready"}  # by the harness, which awaited the start

        def grown(now: Metrics, name: str) -> dict[tuple[str, ...], float]:
            found: dict[tuple[str, ...], float] = {}
            for (sample, labels), value in now.samples.items():
                reported = dict(labels)
                more = value - before.samples.get((sample, labels), 0)
                if sample == name and reported["route"] not in unasked and more:
                    found[reported["method"], reported["route"], reported["status"]] = more
            return found

        expected: dict[tuple[str, ...], float] = {}
        for count, method, _, route, status in asked:
            key = (method if method in SERVED else "other", route, str(status))
            expected[key] = expected.get(key, 0) + count
        unread: dict[tuple[str, ...], float] = {("other", "other", "400"): 1.0}
        errors = {key: count for key, count in {**expected, **unread}.items() if int(key[2]) >= 400}
        for name, counts in (
            ("http_requests_total", {**expected, **unread}),
            ("http_request_duration_seconds_count", expected),
            ("http_request_errors_total", errors),
        ):
            counted(any_gateway, lambda now: grown(now, name) == counts)

    def test_the_duration_of_requests_is_measured(self, any_gateway: Gateway, token: str, users: Service) -> None:
        before = scrape(any_gateway)
        users.answer = replies.slow(0.4)
        assert any_gateway.get("/users/me", token).status == 200
        name, labels = "http_request_duration_seconds", {"method": "GET", "route": "/users/me", "status": "200"}
        after = wait_for(any_gateway, before, 1, f"{name}_count", **labels)
        assert 0.4 <= increase(before, after, f"{name}_sum", **labels) < 20
        assert increase(before, after, f"{name}_bucket", le="0.25", **labels) == 0
        assert increase(before, after, f"{name}_bucket", le="+Inf", **labels) == 1
        assert increase(before, after, "service_proxy_duration_seconds_count", service="user-service") == 1
        assert 0.4 <= increase(before, after, "service_proxy_duration_seconds_sum", service="user-service") < 20

    def test_the_duration_of_a_stream_ends_with_it(self, gateway: Gateway, token: str, users: Service) -> None:
        before = scrape(gateway)
        users.answer = replies.chunked(pieces=[b"a"] * 4, pause=0.1)
        assert gateway.get("/users/me", token).body == b"aaaa"
        after = wait_for(gateway, before, 1, "http_request_duration_seconds_count", route="/users/me")
        assert increase(before, after, "http_request_duration_seconds_sum", route="/users/me") >= 0.3
        assert increase(before, after, "service_proxy_duration_seconds_sum", service="user-service") < 0.3

    def test_requests_over_a_limit_are_counted_by_rule(self, start_gateway: StartGateway, token: str) -> None:
        gateway = start_gateway({"RATE_LIMIT_DEFAULT": "3 per hour", "RATE_LIMIT_AUTH": "1 per hour"})
        for _ in range(5):
            gateway.get("/users/me", token)
            gateway.get("/users/me", "bad")
            gateway.get("/auth/callback")
        metrics = counted(gateway, lambda now: now.total("http_requests_total", route="/auth/callback") == 5)
        hits = {
            rule: metrics.value("rate_limit_hits_total", rule=rule) for rule in ("default", "token", "auth.callback")
        }
        assert hits == {"default": 2, "token": 2, "auth.callback": 4}
        assert metrics.total("http_request_errors_total", status=429) == 8

    def test_requests_under_way_are_shown(self, any_gateway: Gateway, token: str, users: Service) -> None:
        """The one that asks is one of them."""
        until(lambda: scrape(any_gateway).value("active_connections") == 1)
        with ThreadPoolExecutor(5) as pool, held(users):
            asked = [pool.submit(any_gateway.get, "/users/me", token, timeout=20) for _ in range(5)]
            counted(any_gateway, lambda now: now.value("active_connections") == 6)
            in_flight = partial(Metrics.value, name="service_calls_in_flight", service="user-service")
            counted(any_gateway, lambda now: in_flight(now) == 5)
        assert [answer.result().status for answer in asked] == [200] * 5
        counted(any_gateway, lambda now: now.value("active_connections") == 1 and in_flight(now) == 0)

    def test_a_scrape_is_over_when_another_worker_is_asked(self, any_gateway: Gateway) -> None:
        with each_worker(any_gateway) as lines:
            counted(any_gateway, lambda now: now.value("active_connections") == 1)
            for connection in lines.values():
                connection.request("GET", "/metrics")
                assert "\nactive_connections 1.0\n" in connection.receive().text

    def test_requests_that_clients_leave_are_over(self, gateway: Gateway, token: str, users: Service) -> None:
        users.answer = replies.hang()
        before = scrape(gateway)
        left = [Connection(gateway.port) for _ in range(4)]
        for connection in left:
            connection.request("GET", "/users/me", {"Authorization": f"Bearer {token}"})
        counted(gateway, lambda now: now.value("active_connections") == 5)
        for connection in left:
            connection.close(hard=True)
        after = counted(gateway, lambda now: now.value("active_connections") == 1)
        assert after.value("service_calls_in_flight", service="user-service") == 0
        wait_for(gateway, before, 4, "http_requests_total", route="/users/me")


BAD_TOKENS: dict[str, Callable[[Issuer], str]] = {
    "expired": lambda issuer: issuer.mint(life=-600),
    "audience": lambda issuer: issuer.mint({"aud": "another"}),
    "issuer": lambda issuer: issuer.mint({"iss": "https://evil.test"}),
    "client": lambda issuer: issuer.mint({"azp": "another"}),
    "subject": lambda issuer: issuer.mint(drop=["sub"]),
    "times": lambda issuer: issuer.mint({"nbf": 9_999_999_999}),
    "type": lambda issuer: issuer.mint({"typ": "ID"}),
    "bound": lambda issuer: issuer.mint({"cnf": {"jkt": "x"}}),
    "signature": lambda issuer: issuer.mint(key=jose.generate("RS256")),
    "algorithm": lambda issuer: issuer.mint(headers={"alg": "RS512"}),
    "header": lambda issuer: issuer.mint(headers={"crit": ["x"], "x": 1}),
    "key": lambda issuer: issuer.mint(headers={"kid": "another"}),
    "malformed": lambda issuer: "x.y",
}


class TestTokens:
    @pytest.mark.parametrize("reason", BAD_TOKENS)
    def test_tokens_that_fail_are_counted_by_reason(self, gateway: Gateway, issuer: Issuer, reason: str) -> None:
        before = scrape(gateway)
        for _ in range(2):
            assert gateway.get("/users/me", BAD_TOKENS[reason](issuer)).status == 401
        after = counted(gateway, lambda now: increase(before, now, "jwt_validation_errors_total") == 2)
        assert increase(before, after, "jwt_validation_errors_total", reason=reason) == 2
        assert increase(before, after, "jwt_validation_duration_seconds_count") == 2

    def test_checks_of_tokens_are_measured(self, any_gateway: Gateway, issuer: Issuer) -> None:
        before, token = scrape(any_gateway), issuer.mint()
        for _ in range(6):
            assert any_gateway.get("/auth/session", token).status == 200
        assert any_gateway.get("/users/me").status == 401
        after = wait_for(any_gateway, before, 6, "jwt_validation_duration_seconds_count")
        assert increase(before, after, "jwt_validation_errors_total") == 0
        assert 0 < increase(before, after, "jwt_validation_duration_seconds_sum") < 10


class TestServices:
    @pytest.fixture(scope="class")
    @classmethod
    def hasty(cls, make_gateway: GatewayFactory) -> Iterator[Gateway]:
        """It waits a second for a service, and makes two calls at once."""
        env = {"PROXY_READ_TIMEOUT": "1", "PROXY_MAX_IN_FLIGHT": "2", "PROXY_USER_SHARE": "1"}
        with make_gateway(env, services=["users"]) as running:
            yield running

    @pytest.mark.parametrize(
        ("kind", "body", "answer"),
        [
            ("closed", [bytes(100_000)] * 4, replies.reset()),
            ("timeout", None, replies.hang()),
            ("cut", None, replies.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", close=True)),
            ("bad_answer", None, replies.raw(b"garbage\r\n\r\n", close=True)),
        ],
        ids=["closed", "timeout", "cut", "bad answer"],
    )
    def test_faults_of_services_are_counted_by_kind(
        self, hasty: Gateway, users: Service, token: str, kind: str, body: list[bytes] | None, answer: Answerer
    ) -> None:
        before = scrape(hasty)
        users.answer = answer
        hasty.get("/users/me", token, method="PUT" if body else "GET", body=body)
        after = counted(hasty, lambda now: increase(before, now, "service_proxy_errors_total"))
        assert increase(before, after, "service_proxy_errors_total") == 1
        assert increase(before, after, "service_proxy_errors_total", service="user-service", kind=kind) == 1

    def test_calls_behind_an_open_breaker_are_counted_as_such(self, start_gateway: StartGateway, token: str) -> None:
        """Five refusals in a row open the breaker; the sixth call is not made. A call that is answered closes it."""
        port = free_port()
        gateway = start_gateway(services={"interviews": f"http://127.0.0.1:{port}"}, workers=1)
        assert [gateway.get("/interviews", token).status for _ in range(7)] == [502] * 5 + [503] * 2
        metrics = counted(gateway, lambda now: now.total("http_requests_total", route="/interviews") == 7)
        labels = {"service": "interview-service"}
        assert metrics.value("service_proxy_errors_total", kind="connect", **labels) == 5
        assert metrics.value("service_proxy_errors_total", kind="breaker_open", **labels) == 2
        assert metrics.value("service_breaker_open", **labels) == 1
        assert metrics.value("service_breaker_open", service="user-service") == 0
        with Service(port=port):
            until(lambda: gateway.get("/interviews", token).status == 200, 10, "the breaker to close")
            assert scrape(gateway).value("service_breaker_open", **labels) == 0

    def test_calls_refused_by_overload_are_counted(self, hasty: Gateway, users: Service, token: str) -> None:
        before = scrape(hasty)
        with ThreadPoolExecutor(2) as pool:
            users.answer = replies.slow(0.8)
            asked = [pool.submit(hasty.get, "/users/me", token) for _ in range(2)]
            until(lambda: len(users.requests) == 2)
            assert hasty.get("/users/me", token).status == 503
            assert [answer.result().status for answer in asked] == [200] * 2
        after = wait_for(hasty, before, 3, "http_requests_total", route="/users/me")
        assert increase(before, after, "service_proxy_errors_total", service="user-service", kind="overload") == 1

    def test_retries_are_counted(self, hasty: Gateway, users: Service, token: str) -> None:
        before = scrape(hasty)
        users.answer = replies.by_turn(replies.reset(), replies.sized(200))
        assert hasty.get("/users/me", token).status == 200
        after = wait_for(hasty, before, 1, "service_proxy_retries_total", service="user-service")
        assert increase(before, after, "service_proxy_errors_total") == 0, "it went well in the end"
        assert increase(before, after, "service_proxy_duration_seconds_count", service="user-service") == 1


def odd_requests(count: int, secret: bytes, issuer: Issuer) -> Iterator[bytes]:
    """Each of a path, a host, a query, a client's address and a user of its own, each fourth of a method too."""
    claims = issuer.claims()
    for number in range(count):
        user = "nobody"
        if number % 4 in (1, 3):  # the others are answered before anybody asks for their token
            user = jose.compact({"alg": "HS256"}, {**claims, "sub": f"user-{number}"}, "HS256", secret)
        method, path = [
            ("GET", f"/odd/{number}"),
            ("GET", "/auth/session"),
            (f"ODD{number}", "/users/me"),
            ("PUT", f"/interviews/{number}?a={number}" if number % 80 == 3 else f"/{number}/odd"),
        ][number % 4]
        yield http.head(
            method,
            path,
            {
                "Host": f"host-{number}.test",
                "Authorization": f"Bearer {user}",
                "X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
                "X-Request-Id": f"request-{number}",
                "User-Agent": f"agent-{number}",
            },
        )


@pytest.mark.conformance("G4")
def test_no_client_makes_a_series(gateway: Gateway, issuer: Issuer) -> None:
    """10,000 different paths, methods, hosts and users."""
    count, at_once = 10_000, 40
    several = list(odd_requests(160, SECRET.encode(), issuer))
    ask_all(gateway, several, at_once)
    before = counted(gateway, lambda now: now.total("http_requests_total", route="/interviews/<id>") >= 2)
    ask_all(gateway, list(odd_requests(count, SECRET.encode(), issuer)), at_once)
    after = wait_for(gateway, before, count // 4, "http_requests_total", route="/auth/session")
    assert after.samples.keys() == before.samples.keys()
    assert after.values("method") <= SERVED | {"other"}
    assert after.values("route") <= ROUTES
    assert not {value for value in after.values("reason") | after.values("rule") if "-" in value}


ROUTES = {
    *("other", "/users/me", "/interviews", "/interviews/<id>", "/interviews/<id>/<path:rest>", "/media/<path:rest>"),
    *("/auth/login", "/auth/callback", "/auth/refresh", "/auth/logout", "/auth/session", "/auth/backchannel-logout"),
    *("/health", "/health/live", "/health/ready", "/metrics", "/openapi.json", "/docs"),
}


def ask_all(gateway: Gateway, requests: list[bytes], at_once: int) -> None:
    """On one connection, so many at a time."""
    with Connection(gateway.port, timeout=30) as connection:
        for first in range(0, len(requests), at_once):
            some = requests[first : first + at_once]
            connection.send(b"".join(some))
            for _ in some:
                assert connection.receive().status in (200, 404, 405, 501)


@pytest.mark.conformance("G4")
def test_routes_are_rules(any_gateway: Gateway, token: str) -> None:
    for path in (
        "/users/me",
        "/interviews/a-person",
        "/interviews/a/b/c",
        "/media/a-person.webm",
        "/a-person",
        "/docs",
    ):
        any_gateway.get(path, token)
    metrics = counted(any_gateway, lambda now: now.total("http_requests_total", route="/docs"))
    assert metrics.values("route") <= ROUTES
    assert "a-person" not in metrics.text


def entry(key: bytes) -> bytes:
    """One counter in a file of prometheus_client's."""
    padded = key.ljust(len(key) + (8 - (len(key) + 4) % 8))
    return struct.pack("<ii", 8 + 4 + len(padded) + 16, 0) + struct.pack("<i", len(padded)) + padded + bytes(16)


TORN = {
    "empty": b"",
    "a few bytes": b"\x30\0\0",
    "zeros": bytes(100),
    "longer than it is": struct.pack("<ii", 1 << 20, 0) + bytes(100),
    "a key beyond its end": struct.pack("<iii", 48, 0, 0xFFFF) + b"garbage" + bytes(100),
    "a negative length": struct.pack("<ii", -8, 0) + bytes(100),
    "no text": entry(b"\xff\xfe\xff\xfe"),
    "no JSON": entry(b"garbage"),
    "another's JSON": entry(b"[1, 2]"),
    "noise": bytes(range(256)) * 32,
}
"""Files that a worker, killed or out of space, could leave."""


class TestWorkers:
    def test_any_worker_tells_the_sums_of_all(self, three: Gateway, token: str) -> None:
        before = scrape(three)
        with each_worker(three) as lines:
            for number, line in enumerate(lines.values(), 1):
                for _ in range(number):
                    line.request("GET", "/auth/session", {"Authorization": f"Bearer {token}"})
                    assert line.receive().status == 200
            wait_for(three, before, 6, "http_requests_total", route="/auth/session")
            for line in lines.values():
                line.request("GET", "/metrics")
                text = line.receive().text
                whole = before.value("http_requests_total", method="GET", route="/auth/session", status=200) + 6
                assert f'http_requests_total{{method="GET",route="/auth/session",status="200"}} {whole}\n' in text

    @pytest.mark.conformance("S3")
    def test_a_worker_that_is_killed_takes_no_count_along(
        self, start_gateway: StartGateway, users: Service, token: str
    ) -> None:
        """What it counted stays, and what it had under way is forgotten; the others serve on."""
        gateway = start_gateway(workers=3)
        for turn in (1, 2):
            for _ in range(30):
                assert gateway.get("/users/me", token).status == 200
            victim = gateway.workers()[0]
            counted(gateway, lambda now: now.total("http_requests_total", route="/users/me") == 30 * turn)
            before = counted(gateway, lambda now: now.value("active_connections") == 1)
            with held(users), connected(gateway, victim) as connection:
                connection.request("GET", "/users/me", {"Authorization": f"Bearer {token}"})
                counted(gateway, lambda now: now.value("active_connections") == 2)
                counted(gateway, lambda now: now.value("service_calls_in_flight", service="user-service") == 1)
                os.kill(victim, signal.SIGKILL)
                until(lambda: victim not in gateway.workers() and len(gateway.workers()) == 3, 15, "a new worker")
                after = counted(gateway, lambda now: now.value("active_connections") == 1)
            assert after.value("service_calls_in_flight", service="user-service") == 0
            check_no_less(before, after)
            assert increase(before, after, "http_requests_total", route="/users/me") == 0, "nor is one counted twice"
            users.answer = None
        assert scrape(gateway).total("http_requests_total", route="/users/me", status=200) == 60
        for _ in range(30):
            assert gateway.get("/users/me", token).status == 200
        counted(gateway, lambda now: now.total("http_requests_total", route="/users/me", status=200) == 90)

    @pytest.mark.conformance("S3")
    @pytest.mark.parametrize("workers", [1, 2])
    def test_a_reload_keeps_the_counts(self, start_gateway: StartGateway, token: str, workers: int) -> None:
        gateway = start_gateway(workers=workers)
        for turn in range(1, 3):
            for _ in range(20):
                assert gateway.get("/users/me", token).status == 200
            before = counted(gateway, lambda now: now.total("http_requests_total", route="/users/me") == 20 * turn)
            old = set(gateway.workers())
            gateway.signal(signal.SIGHUP)
            until(lambda: not old & set(gateway.workers()), 20, "the old workers' end")
            until(lambda: len(gateway.workers()) == workers, 20, "new workers")
            after = until(lambda: scrape(gateway), 10)
            check_no_less(before, after)
            assert increase(before, after, "http_requests_total", route="/users/me") == 0
            counted(gateway, lambda now: now.value("active_connections") == 1)

    @pytest.mark.conformance("S3")
    def test_workers_that_come_and_go_leave_few_files(self, start_gateway: StartGateway, token: str) -> None:
        gateway = start_gateway({"GUNICORN_CMD_ARGS": "--max-requests 6"}, workers=2)
        seen, asked = set(gateway.workers()), 0
        while len(seen) < 8:
            for _ in range(10):
                assert gateway.get("/users/me", token, timeout=20).status == 200
            asked += 10
            seen.update(gateway.workers())
            counted(gateway, lambda now: now.total("http_requests_total", route="/users/me") == asked, 20)
            names = sorted(file.name for file in metrics_folder(gateway).iterdir())
            assert len([name for name in names if name.startswith("ended-")]) <= 4, names
            assert len(names) <= 20, names

    @pytest.mark.conformance("S3")
    @pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL], ids=["a reload", "killed"])
    def test_workers_whose_folder_was_removed_are_followed_by_others(
        self, start_gateway: StartGateway, token: str, number: signal.Signals
    ) -> None:
        """Counters begin anew."""
        gateway = start_gateway(workers=2)
        assert gateway.get("/users/me", token).status == 200
        shutil.rmtree(metrics_folder(gateway))
        assert [gateway.get(path, token).status for path in ("/metrics", "/users/me", "/metrics")] == [200] * 3
        for victim in gateway.workers():
            if number == signal.SIGKILL:
                os.kill(victim, number)
            elif victim in gateway.workers():
                gateway.signal(number)
            until(lambda: victim not in gateway.workers() and len(gateway.workers()) == 2, 20, "a new worker")
            assert gateway.get("/health/live", timeout=20).status == 200
        assert gateway.process.poll() is None
        assert (metrics_folder(gateway) / "master").exists(), "its lock"
        for _ in range(5):
            assert gateway.get("/users/me", token).status == 200
        counted(gateway, lambda now: now.total("http_requests_total", route="/users/me") == 5)

    @pytest.mark.conformance("S3")
    @pytest.mark.parametrize(
        "name", ["ended-counter-1-1", "ended-histogram-1-1", "counter_99999.db", "histogram_99999.db"]
    )
    @pytest.mark.parametrize("content", TORN.values(), ids=TORN.keys())
    def test_a_file_that_can_not_be_read_is_left_out(self, torn: Gateway, name: str, content: bytes) -> None:
        (metrics_folder(torn) / name).write_bytes(content)
        before = scrape(torn)
        torn.get("/nope")
        wait_for(torn, before, 1, "http_requests_total", route="other", status=404)

    @pytest.mark.conformance("S3")
    @pytest.mark.parametrize("content", TORN.values(), ids=TORN.keys())
    def test_workers_begin_where_the_sum_of_the_ended_can_not_be_read(
        self, start_gateway: StartGateway, token: str, content: bytes
    ) -> None:
        gateway = start_gateway()
        (metrics_folder(gateway) / "counter_ended.db").write_bytes(content)
        (victim,) = gateway.workers()
        os.kill(victim, signal.SIGKILL)
        until(lambda: gateway.workers() and victim not in gateway.workers(), 15, "a new worker")
        assert gateway.get("/users/me", token, timeout=20).status == 200
        counted(gateway, lambda now: now.total("http_requests_total", route="/users/me") == 1)

    @pytest.fixture(scope="class")
    @classmethod
    def torn(cls, make_gateway: GatewayFactory) -> Iterator[Gateway]:
        with make_gateway(services={}) as running:
            yield running

    def test_no_file_is_left_when_the_master_ends(self, start_gateway: StartGateway, token: str) -> None:
        gateway = start_gateway(workers=2)
        gateway.get("/users/me", token)
        files = metrics_folder(gateway)
        assert files.is_dir()
        gateway.stop()
        assert not files.exists()

    def test_two_gateways_count_apart(self, three: Gateway, start_gateway: StartGateway) -> None:
        other = start_gateway()
        for _ in range(5):
            other.get("/only-there")
        counted(other, lambda now: now.total("http_requests_total", route="other", status=404) == 5)
        assert metrics_folder(other) != metrics_folder(three)

    def test_workers_without_their_redis_are_counted(self, start_gateway: StartGateway) -> None:
        gateway = start_gateway({"REDIS_URL": f"redis://127.0.0.1:{free_port()}"}, workers=2)
        counted(gateway, lambda now: now.value("redis_fallback") == 2)


def check_no_less(before: Metrics, after: Metrics) -> None:
    """No counter went back."""
    gauges = {name for name, (kind, _) in NAMES.items() if kind == "gauge"}
    for (name, labels), value in before.samples.items():
        assert name in gauges or after.samples.get((name, labels), 0) >= value, (name, labels)


PUBLIC, PRIVATE = "203.0.113.9", "10.9.9.9"
BEHIND = {"TRUSTED_PROXIES": "127.0.0.1"}


class TestReaders:
    @pytest.mark.parametrize(
        "name",
        [
            *("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Server"),
            *("Forwarded", "Via", "X-Real-IP", "X-Client-IP", "X-Cluster-Client-IP", "X-Original-Forwarded-For"),
            *("X-Envoy-External-Address", "CF-Connecting-IP", "True-Client-IP", "Client-IP", "Fastly-Client-IP"),
        ],
    )
    def test_a_reader_through_an_untrusted_proxy_is_refused(self, gateway: Gateway, name: str) -> None:
        for value in (PRIVATE, "127.0.0.1", PUBLIC, f"for={PRIVATE}", "1.1 proxy", ""):
            answer = gateway.get("/metrics", headers={name: value})
            assert answer.status == 403, value
            assert answer.json()["message"] == "Forbidden" and "http_requests_total" not in answer.text

    @pytest.mark.parametrize(
        ("chain", "status"),
        [
            (PUBLIC, 403), (f"{PRIVATE}, {PUBLIC}", 403), (f"127.0.0.1, {PUBLIC}", 403), ("2001:db8::1", 403),
            (PRIVATE, 200), ("192.168.1.1", 200), (f"{PUBLIC}, {PRIVATE}", 200), ("fd00::1", 200), (None, 200),
        ],
        ids=str,
    )  # fmt: skip
    def test_a_reader_through_a_trusted_proxy_is_judged_by_its_address(
        self, behind: Gateway, chain: str | None, status: int
    ) -> None:
        assert behind.get("/metrics", headers={"X-Forwarded-For": chain} if chain else {}).status == status

    @pytest.mark.parametrize(
        "headers",
        [
            {"X-Real-IP": PUBLIC}, {"Forwarded": f"for={PUBLIC}"}, {"Via": "1.1 proxy"}, {"X-Forwarded-For": ""},
            {"X-Forwarded-For": "unknown"}, {"X-Forwarded-For": f"{PRIVATE}, unknown"}, {"X-Forwarded-Host": "x"},
            {"X-Forwarded-For": "_hidden"}, {"X-Forwarded-For": "0x7f.1"},
            {"X-Forwarded-For": f"{PRIVATE}, unix:"}, {"X-Forwarded-Proto": "https"}, {"X-Client-IP": PRIVATE},
            {"True-Client-IP": PRIVATE}, {"X-Envoy-External-Address": PRIVATE},
        ],
        ids=str,
    )  # fmt: skip
    def test_a_reader_that_a_proxy_does_not_name_is_refused(self, behind: Gateway, headers: dict[str, str]) -> None:
        """Whoever asks has the proxy's own address then."""
        assert behind.get("/metrics", headers=headers).status == 403
        assert behind.get("/metrics", headers={**headers, "X-Forwarded-For": PRIVATE}).status == 200

    @pytest.fixture(scope="class")
    @classmethod
    def behind(cls, make_gateway: GatewayFactory) -> Iterator[Gateway]:
        with make_gateway(BEHIND, services={}) as running:
            yield running

    def test_readers_are_those_of_the_setting(self, start_gateway: StartGateway) -> None:
        gateway = start_gateway({**BEHIND, "METRICS_ALLOWED_NETWORKS": f"{PUBLIC},172.16.0.0/12"})
        assert gateway.get("/metrics").status == 403
        statuses = {
            address: gateway.get("/metrics", headers={"X-Forwarded-For": address}).status
            for address in (PUBLIC, "172.20.1.1", PRIVATE, "203.0.113.10", "127.0.0.1")
        }
        assert statuses == {PUBLIC: 200, "172.20.1.1": 200, PRIVATE: 403, "203.0.113.10": 403, "127.0.0.1": 403}

    def test_readers_need_no_token_and_no_origin(self, gateway: Gateway) -> None:
        """A foreign page's script gets no CORS header."""
        answer = gateway.get("/metrics", "a bad token", {"Origin": "https://evil.test"})
        assert answer.status == 200 and not answer.all("Access-Control-Allow-Origin")
        assert gateway.get("/metrics", headers={"Origin": FRONTEND}).status == 200

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
    def test_metrics_are_read_only(self, gateway: Gateway, method: str) -> None:
        assert gateway.get("/metrics", method=method).status == 405
