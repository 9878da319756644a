"""Spans (docs/operating.md; statements P14, G1, F4): what a collector gets of a request, and what happens while there
is none."""

import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from harness import replies, thrift
from harness.collector import Collector, Span
from harness.gateway import FRONTEND, Gateway, StartGateway
from harness.gateways import GatewayFactory
from harness.issuer import Issuer
from harness.metrics import counted
from harness.ports import free_port
from harness.provider import Scripted, refusal
from harness.service import Answerer, Service
from harness.signin import Browser, Realm, visit
from harness.visitor import Visitor
from harness.waiting import until

from gateway.traces.allowlist import ATTRIBUTES

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
AGENT = {"User-Agent": "the-agent/1.0"}
OF_CALL = {"http.request.method", "http.response.status_code", "url.full", "server.address", "server.port"}


@pytest.fixture(scope="module")
def traced(make_gateway: GatewayFactory, running_realm: Scripted, collector: Collector) -> Iterator[Gateway]:
    """Every request is sampled, as in development; no proxy is trusted."""
    env = {**collector.env, "PROXY_READ_TIMEOUT": "1"}
    with make_gateway(env, issuer=running_realm, services=["users", "interviews"]) as running:
        yield running


@pytest.fixture
def token(running_realm: Scripted) -> str:
    return running_realm.mint(sub="the-user")


def trace_of(gateway: Gateway, path: str) -> str:
    """The trace id in the log's line of the one request to this path."""
    return str(gateway.access_line(path)["traceId"])


def check_tree(spans: list[Span]) -> tuple[Span, list[Span]]:
    """The server span and its calls, all well made."""
    (server,) = [span for span in spans if span.kind == "server"]
    calls = [span for span in spans if span is not server]
    for call in calls:
        assert (call.kind, call.parent, call.trace) == ("client", server.id, server.trace)
        assert server.began <= call.began <= call.ended <= server.ended
    for span in spans:
        assert span.attributes.keys() <= ATTRIBUTES
        assert not span.said and not span.events
        assert span.service == "api-gateway"
        assert abs(span.began / 1e9 - time.time()) < 60
    return server, calls


class TestForwarded:
    def test_a_forwarded_request_has_a_server_and_a_client_span(
        self, traced: Gateway, collector: Collector, interviews: Service, token: str
    ) -> None:
        assert traced.get("/interviews/span-1?page=2", token, AGENT).status == 200
        server, (call,) = check_tree(collector.wait(trace_of(traced, "/interviews/span-1"), 2))
        assert (server.name, call.name) == ("GET /interviews/<id>", "GET")
        assert server.parent == "" and not server.failed and not call.failed
        assert server.attributes == {
            "http.request.method": "GET",
            "http.response.status_code": 200,
            "http.route": "/interviews/<id>",
            "url.path": "/interviews/span-1",
            "url.scheme": "http",
            "client.address": "127.0.0.1",
            "network.protocol.version": "1.1",
            "user_agent.original": "the-agent/1.0",
            "user.id": "the-user",
        }
        assert call.attributes == {
            "http.request.method": "GET",
            "http.response.status_code": 200,
            "url.full": f"{interviews.url}/interviews/span-1",
            "server.address": "127.0.0.1",
            "server.port": interviews.port,
        }
        assert interviews.last.header("traceparent") == f"00-{server.trace}-{call.id}-01"

    def test_spans_last_as_long_as_the_request(
        self, traced: Gateway, collector: Collector, interviews: Service, token: str
    ) -> None:
        """The call ends with the answer's head, the request with the end of its body."""
        interviews.answer = replies.chunked(pieces=[b"a"] * 4, pause=0.1)
        traced.get("/interviews/span-2", token)
        server, (call,) = check_tree(collector.wait(trace_of(traced, "/interviews/span-2"), 2))
        assert server.ended - server.began >= 0.3e9 > call.ended - call.began

    @pytest.mark.parametrize(
        ("path", "answer", "status", "kind"),
        [
            ("/interviews/span-3", replies.sized(404), 404, "404"),
            ("/interviews/span-4", replies.sized(500), 500, "500"),
            ("/interviews/span-5", replies.raw(b"garbage\r\n\r\n", close=True), 502, "ProtocolError"),
            ("/interviews/span-6", replies.hang(), 504, "ResponseTimeout"),
        ],
        ids=["404", "500", "garbage", "silence"],
    )
    def test_a_span_tells_what_failed(
        self, traced: Gateway, collector: Collector, interviews: Service, token: str,
        path: str, answer: Answerer, status: int, kind: str,
    ) -> None:  # fmt: skip
        """A client's error is none of the server's."""
        interviews.answer = answer
        assert traced.get(path, token).status == status
        server, (call,) = check_tree(collector.wait(trace_of(traced, path), 2))
        assert call.failed and call.attributes["error.type"] == kind
        assert server.failed == (status >= 500)
        assert server.attributes.get("error.type") == (str(status) if status >= 500 else None)
        assert server.attributes["http.response.status_code"] == status

    def test_a_retry_has_a_second_client_span(
        self, traced: Gateway, collector: Collector, interviews: Service, token: str
    ) -> None:
        interviews.answer = replies.by_turn(replies.reset(), replies.sized(200))
        assert traced.get("/interviews/span-7", token).status == 200
        server, (first, second) = check_tree(collector.wait(trace_of(traced, "/interviews/span-7"), 3))
        assert not server.failed
        assert first.attributes["error.type"] == "NoResponse" and "http.request.resend_count" not in first.attributes
        assert second.attributes["http.request.resend_count"] == 1 and not second.failed
        asked = [received.header("traceparent") for received in interviews.requests]
        assert asked == [f"00-{server.trace}-{call.id}-01" for call in (first, second)]

    def test_a_refused_request_has_no_client_span(self, traced: Gateway, collector: Collector) -> None:
        answer = traced.get("/interviews/span-8")
        server, calls = check_tree(collector.wait(answer.json()["traceId"], 1))
        assert not calls and not server.failed and server.attributes["http.response.status_code"] == 401
        assert trace_of(traced, "/interviews/span-8") == server.trace

    @pytest.mark.parametrize(
        ("method", "path", "name"),
        [("GET", "/nobody/span-9", "GET"), ("PUT", "/interviews/span-10", "PUT /interviews/<id>"),
         ("POST", "/interviews/span-11", "POST")],
        ids=["no path", "a write", "no method"],
    )  # fmt: skip
    def test_a_span_is_named_by_its_rule(
        self, traced: Gateway, collector: Collector, token: str, method: str, path: str, name: str
    ) -> None:
        traced.get(path, token, method=method)
        server, _ = check_tree(collector.wait(trace_of(traced, path), 2 if method == "PUT" else 1))
        assert server.name == name

    def test_spans_of_parallel_requests_stay_apart(
        self, traced: Gateway, collector: Collector, interviews: Service, token: str
    ) -> None:
        """A worker serves them in turns; each call is its own request's child."""
        interviews.answer = replies.slow(0.2)
        paths = [f"/interviews/apart-{number}" for number in range(12)]
        threads = [traced_get(traced, path, token) for path in paths]
        assert [thread() for thread in threads] == [200] * 12
        traces = {path: trace_of(traced, path) for path in paths}
        assert len(set(traces.values())) == 12
        for path, trace in traces.items():
            server, (call,) = check_tree(collector.wait(trace, 2))
            assert server.attributes["url.path"] == path
            assert urlsplit(call.attributes["url.full"]).path == path

    def test_the_span_of_an_abandoned_request_ends(
        self, traced: Gateway, collector: Collector, interviews: Service, token: str
    ) -> None:
        interviews.answer = replies.hang()
        with pytest.raises(TimeoutError):
            traced.get("/interviews/span-12", token, timeout=0.3)
        server, (call,) = check_tree(collector.wait(trace_of(traced, "/interviews/span-12"), 2))
        assert call.failed and server.attributes["http.response.status_code"] == 499


def traced_get(gateway: Gateway, path: str, token: str) -> Callable[[], int]:
    """Begin to ask in a thread; a function that waits for the status."""
    pool = ThreadPoolExecutor(1)
    asked = pool.submit(gateway.get, path, token)

    def status() -> int:
        pool.shutdown()
        return asked.result().status

    return status


class TestSignIn:
    def test_sign_in_calls_to_keycloak_have_spans(self, traced: Gateway, collector: Collector, realm: Scripted) -> None:
        """Made by the instrumentation of Flask."""
        realm.ends_sessions = True
        visitor = Visitor(traced)
        since = len(traced.lines())
        visitor.signed_in(realm.authorize)
        assert visitor.post("/auth/refresh", headers=AGENT).status == 200
        assert visitor.get("/auth/session").status == 200
        assert visitor.post("/auth/logout").status == 200
        calls = {
            "POST /auth/login": [],
            "GET /auth/callback": ["token"],
            "POST /auth/refresh": ["token"],
            "GET /auth/session": [],
            "POST /auth/logout": ["logout"],
        }
        for name, endpoints in calls.items():
            path = name.split()[1]
            line = traced.wait_line(lambda line: line.get("url") == path and line in traced.lines()[since:])
            server, children = check_tree(collector.wait(line["traceId"], 1 + len(endpoints)))
            assert (server.name, server.attributes["http.route"]) == (name, path)
            assert server.attributes["url.path"] == path
            assert server.attributes["http.response.status_code"] == 200
            reported = [(child.name, child.attributes["url.full"]) for child in children]
            assert reported == [("POST", f"{realm.url}/protocol/openid-connect/{endpoint}") for endpoint in endpoints]
            assert all(child.attributes.keys() == OF_CALL for child in children)

    def test_a_failed_sign_in_has_spans(self, traced: Gateway, collector: Collector, realm: Scripted) -> None:
        realm.instead = refusal("server_error", 500)
        visitor = Visitor(traced)
        answer = visitor.sign_in(realm.authorize)
        assert answer.status == 502
        server, (call,) = check_tree(collector.wait(answer.json()["traceId"], 2))
        assert server.failed and server.attributes["error.type"] == "502"
        assert call.failed and call.attributes["error.type"] == "500"

    @pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/health", "/health/live", "/metrics"])
    def test_other_auth_calls_have_spans(self, traced: Gateway, collector: Collector, path: str) -> None:
        mark = f"00-{zlib.crc32(path.encode()):032x}-{PARENT}-00"
        assert traced.get(path, headers={"traceparent": mark}).status in (200, 503)
        server, _ = check_tree(collector.wait(mark.split("-")[1], 1))
        assert (server.name, server.parent) == (f"GET {path}", PARENT)

    def test_a_sign_in_continues_the_clients_trace(self, traced: Gateway, collector: Collector) -> None:
        trace = "ab" * 16
        traced.get("/auth/session", headers={"traceparent": f"00-{trace}-{PARENT}-00"})
        server, _ = check_tree(collector.wait(trace, 1))
        assert server.parent == PARENT


class TestSampling:
    """What the collector has not got when the gateway has sent all it had, and ended."""

    @pytest.fixture
    def own(self) -> Iterator[Collector]:
        with Collector() as running:
            yield running

    @pytest.fixture
    def start(self, start_gateway: StartGateway, own: Collector) -> Callable[..., Gateway]:
        def started(**env: str) -> Gateway:
            return start_gateway({**own.env, **env})

        return started

    @pytest.mark.conformance("P14")
    @pytest.mark.parametrize("flag", ["00", "01"])
    def test_an_untrusted_clients_trace_goes_on_without_its_flag(
        self, traced: Gateway, collector: Collector, users: Service, token: str, flag: str
    ) -> None:
        trace = f"{flag}{'c' * 30}"
        assert traced.get("/users/me", token, {"traceparent": f"00-{trace}-{PARENT}-{flag}"}).status == 200
        server, (call,) = check_tree(collector.wait(trace, 2))
        assert server.parent == PARENT
        assert users.last.header("traceparent") == f"00-{trace}-{call.id}-01"

    @pytest.mark.conformance("P14")
    @pytest.mark.parametrize(
        ("sampler", "trusted", "flag", "sampled"),
        [
            ("always_off", True, "01", False),
            ("always_on", True, "00", True),
            ("parentbased_always_off", True, "01", True),
            ("parentbased_always_off", True, "00", False),
            ("parentbased_always_off", False, "01", False),
            ("parentbased_always_on", True, "00", False),
            ("parentbased_always_on", False, "00", True),
        ],
    )
    def test_the_sampler_decides(
        self, start: Callable[..., Gateway], own: Collector, users: Service, issuer: Issuer,
        sampler: str, trusted: bool, flag: str, sampled: bool,
    ) -> None:  # fmt: skip
        proxies = {"TRUSTED_PROXIES": "127.0.0.1"} if trusted else {}
        gateway = start(OTEL_TRACES_SAMPLER=sampler, **proxies)
        answer = gateway.get("/users/me", issuer.mint(), {"traceparent": f"00-{TRACE}-{PARENT}-{flag}"})
        assert answer.status == 200
        assert gateway.get("/auth/session", headers={"traceparent": f"00-{TRACE}-{PARENT}-{flag}"}).status == 200
        assert trace_of(gateway, "/users/me") == TRACE, "sampled or not"
        gateway.stop()
        names = sorted(span.name for span in own.of(TRACE))
        assert names == (["GET", "GET /auth/session", "GET /users/me"] if sampled else [])
        reported = users.last.header("traceparent") or ""
        assert reported.startswith(f"00-{TRACE}-") and reported.endswith("-01" if sampled else "-00")

    @pytest.mark.conformance("P14")
    def test_no_client_chooses_the_ratio(self, start: Callable[..., Gateway], own: Collector) -> None:
        """A client that chooses its trace id chooses nothing by it: a ratio looks at its end."""
        gateway = start(OTEL_TRACES_SAMPLER="parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG="0.5")
        for number in range(150):
            gateway.get("/free")
            chosen = f"{number + 1:016x}{'0' * 15}1"
            gateway.get("/low", headers={"traceparent": f"00-{chosen}-{PARENT}-01"})
            gateway.get("/high", headers={"traceparent": f"00-{number + 1:016x}{'f' * 16}-{PARENT}-01"})
        gateway.stop()
        for path in ("/free", "/low", "/high"):
            count = sum(span.attributes["url.path"] == path for span in own.spans)
            assert 30 < count < 120, path

    def test_without_a_collector_there_is_no_span(
        self, start_gateway: StartGateway, users: Service, issuer: Issuer
    ) -> None:
        gateway = start_gateway()
        assert gateway.get("/users/me", issuer.mint()).status == 200
        assert (users.last.header("traceparent") or "").endswith("-00")

    def test_spans_name_the_service_as_the_standard_says(self, start: Callable[..., Gateway], own: Collector) -> None:
        start(OTEL_SERVICE_NAME="another").stop()
        assert {span.service for span in own.spans} == {"another"}

    def test_spans_go_to_jaeger_too(self, start: Callable[..., Gateway], own: Collector) -> None:
        with Service(keep=8 << 20) as jaeger:
            jaeger.answer = replies.sized(202)
            start(JAEGER_ENDPOINT=f"{jaeger.url}/api/traces").stop()
            names = {span[5] for received in jaeger.requests for span in thrift.read(received.body)[2]}
        assert {"GET /health/live", "GET /health/ready"} == names == {span.name for span in own.spans}


@pytest.mark.conformance("G1")
def test_no_secret_is_in_a_span(start_gateway: StartGateway, services: Mapping[str, Service], users: Service) -> None:
    """Of a whole visit, of what is planted in queries, headers and bodies, of a service's answers."""
    with Realm() as realm, Collector() as collector:
        env = {**collector.env, "KEYCLOAK_CLIENT_SECRET": "marked-client-secret-0123456789-abcdef"}
        gateway = start_gateway({**env, "JAEGER_ENDPOINT": f"{collector.url}/api/traces"}, issuer=realm)
        secrets = {"marked", *visit(Browser(gateway, realm))}
        plant(gateway, realm.mint(), users)
        gateway.stop()
        sent = b"".join(received.body + bytes(received.target) for received in collector.requests)
    assert sent.count(b"/users/me") > 10
    assert not [secret for secret in secrets if secret.encode() in sent]


def plant(gateway: Gateway, token: str, users: Service) -> None:
    planted = {
        "Cookie": "marked=marked; session=marked; __Host-access=marked",
        "Referer": f"{FRONTEND}/?code=marked",
        "X-Api-Key": "marked",
        "tracestate": "vendor=marked",
        "baggage": "token=marked",
    }
    headers = [("Set-Cookie", "a=marked"), ("Location", "http://x/?token=marked")]
    odd = replies.raw(b"HTTP/1.1 200 OK\r\nSet-Cookie marked\r\n\r\nmarked", close=True)
    for answer in (None, replies.sized(302, headers, b"marked"), odd):
        users.answer = answer
        for bearer in (token, "marked", None):
            for path in ("/users/me", "/auth/session", "/auth/callback", "/auth/refresh", "/docs", "/nope", "/health"):
                query = "?token=marked&code=marked&state=marked&error_description=marked"
                gateway.get(path + query, bearer, planted)
                gateway.get(path + query, bearer, planted, method="POST", body=b"marked")


OUTAGES: dict[str, Answerer | None] = {
    "refused": None,
    "hanging": replies.hang(),
    "500": replies.sized(500),
    "400": replies.sized(400),
}


@pytest.mark.conformance("F4")
@pytest.mark.parametrize("answer", OUTAGES.values(), ids=OUTAGES.keys())
def test_without_the_collector_requests_go_on(
    start_gateway: StartGateway, issuer: Issuer, users: Service, answer: Answerer | None
) -> None:
    """What it does not get is counted in the end, and nobody waits for it, the stop neither."""
    with Collector() as collector:
        collector.answer = answer
        env = {**collector.env, "OTEL_BSP_MAX_QUEUE_SIZE": "20", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10"}
        if answer is None:
            env["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{free_port()}"
        gateway = start_gateway(env)
        token = issuer.mint()
        began = time.monotonic()
        for _ in range(60):
            assert gateway.get("/users/me", token).status == 200
        assert time.monotonic() - began < 20
        counted(gateway, lambda now: now.value("spans_dropped_total") > 50, 20)
        warned = gateway.wait_line(lambda line: "OTEL_EXPORTER_OTLP_ENDPOINT" in line["message"])
        assert warned["level"] == "warn"
        began = time.monotonic()
        gateway.stop()
        assert time.monotonic() - began < 15


@pytest.mark.conformance("F4")
def test_when_the_collector_comes_back_spans_arrive(
    start_gateway: StartGateway, issuer: Issuer, users: Service
) -> None:
    with Collector() as collector:
        gateway = start_gateway(collector.env)
        collector.stop()
        traces = []
        for number in range(5):
            traces.append(f"{number + 1:032x}")
            gateway.get("/users/me", issuer.mint(), {"traceparent": f"00-{traces[-1]}-{PARENT}-00"})
        gateway.wait_line(lambda line: "OTEL_EXPORTER_OTLP_ENDPOINT" in line["message"])
        collector.start()
        for trace in traces:
            until(lambda: len(collector.of(trace)) == 2, 20, "the spans of the outage")
        assert counted(gateway, lambda now: True).value("spans_dropped_total") == 0
