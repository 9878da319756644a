"""A real Jaeger, by both ways in: the spans are read back as they were sent, and so are those of a whole gateway."""

import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import replies
from harness.command import looked_at
from harness.gateway import Gateway, StartGateway
from harness.gateways import GatewayFactory
from harness.issuer import Issuer
from harness.jaeger import Jaeger
from harness.load import Load
from harness.provider import Scripted
from harness.redis_server import RedisServer
from harness.service import Service
from harness.shipping import ShippingProcess
from harness.spans import ATTRIBUTES, HIGH, MS, SERVICE_NAME, a_trace
from harness.visitor import Visitor
from harness.waiting import until

from gateway.traces import JaegerExporter, OtlpExporter
from gateway.traces.allowlist import ATTRIBUTES as ATTRIBUTES_LISTED
from gateway.transport import Adapter, SealedSession, Timeouts, tls_context

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
    session = SealedSession(adapter)
    found = {}
    exporters: tuple[JaegerExporter | OtlpExporter, ...] = (
        JaegerExporter(jaeger.thrift, session),
        OtlpExporter(f"{jaeger.otlp}/v1/traces", {}, session),
    )
    for number, exporter in enumerate(exporters):
        spans = a_trace(HIGH + number, at)
        exporter.send(spans)
        until(lambda: len(jaeger.trace(spans[0].context.trace_id).get("spans", [])) == 2)
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
        options: dict[str, dict[str, Any]] = {
            "Thrift": {"jaeger": jaeger.thrift},
            "OTLP": {"environ": {"OTEL_EXPORTER_OTLP_ENDPOINT": jaeger.otlp}},
        }
        with ShippingProcess(tmp_path, **options[way]) as shipping:
            shipping.put(0, 100)
            until(lambda: numbers(jaeger) == list(range(100)), 10)
            down(jaeger)
            shipping.put(100, 200)
            until(shipping.logged, 10)
            shipping.put(200, 300)
            assert shipping.took < 1
            up(jaeger)
            until(lambda: set(numbers(jaeger)) == set(range(300)), 20)
            until(lambda: len(shipping.logged()) == 2, 10)
            assert shipping.dropped == 0


Span = dict[str, Any]
FLASK = "opentelemetry.instrumentation.flask"


def told_of(jaeger: Jaeger, way: str) -> dict[str, str]:
    """What tells a gateway to send its spans there."""
    return {"Thrift": {"JAEGER_ENDPOINT": jaeger.thrift}, "OTLP": {"OTEL_EXPORTER_OTLP_ENDPOINT": jaeger.otlp}}[way]


def test_the_doctor_reads_a_span_back(jaeger: Jaeger, way: str) -> None:
    page = jaeger.query.removesuffix("/api")
    found = looked_at("Logs and traces", told_of(jaeger, way), "--jaeger", page)
    check = {"Thrift": "Jaeger", "OTLP": "OTLP"}[way]
    assert found[check]["verdict"] == found[f"{check}'s spans"]["verdict"] == "ok", found
    assert "read back" in found[f"{check}'s spans"]["found"]
    assert any("gateway doctor" in name for name in jaeger.names("api-gateway"))


@pytest.fixture(scope="module")
def realm() -> Iterator[Scripted]:
    with Scripted() as running:
        yield running


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="module", params=WAYS)
def traced(
    make_gateway: GatewayFactory, request: pytest.FixtureRequest, jaeger: Jaeger, realm: Scripted, redis: RedisServer
) -> Iterator[Gateway]:
    """Behind a proxy that it trusts."""
    env = {**told_of(jaeger, request.param), "TRUSTED_PROXIES": "127.0.0.1", "REDIS_URL": redis.url}
    with make_gateway(env, issuer=realm) as running:
        yield running
    running.lines()


def spans_of(jaeger: Jaeger, trace_id: str, whole: Callable[[list[Span]], object]) -> list[Span]:
    """The spans of a trace once all that are wanted are there."""

    def look() -> list[Span]:
        spans: list[Span] = jaeger.trace(int(trace_id, 16)).get("spans", [])
        return spans if whole(spans) else []

    return until(look, 15, f"the spans of {trace_id}")


def begun(spans: list[Span]) -> list[Span]:
    """Those of the request itself."""
    return [span for span in spans if of(span)["span.kind"] == "server"]


def of(span: Span) -> dict[str, Any]:
    return {tag["key"]: tag["value"] for tag in span["tags"] if tag["key"] != "@jaeger@format"}


def is_child(child: Span, parent: Span) -> bool:
    """Also in its time; a microsecond is lost where nanoseconds are cut."""
    (reference,) = child["references"]
    ends = [span["startTime"] + span["duration"] for span in (child, parent)]
    return bool(
        reference["refType"] == "CHILD_OF"
        and reference["spanID"] == parent["spanID"]
        and parent["startTime"] <= child["startTime"]
        and ends[0] <= ends[1] + 2
    )


def sampled() -> tuple[str, str, dict[str, str]]:
    """Trace and span id of somebody before us, and the header that says them."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    return trace_id, span_id, {"traceparent": f"00-{trace_id}-{span_id}-01", "User-Agent": "a-browser"}


def test_a_forwarded_request(traced: Gateway, jaeger: Jaeger, realm: Scripted, users: Service) -> None:
    trace_id, span_id, headers = sampled()
    token = realm.mint(sub="the-user")
    assert traced.get("/users/me?page=2", token, {**headers, "X-Forwarded-For": "192.0.2.7"}).status == 200
    spans = spans_of(jaeger, trace_id, begun)
    (server,) = begun(spans)
    (client,) = [span for span in spans if span["operationName"] == "GET"]
    assert server["operationName"] == "GET /users/me"
    (parent,) = server["references"]
    assert (parent["refType"], parent["traceID"], parent["spanID"]) == ("CHILD_OF", trace_id, span_id)
    assert is_child(client, server)
    assert users.last.header("traceparent") == f"00-{trace_id}-{client['spanID']}-01"
    assert of(server) == {
        "span.kind": "server",
        "otel.scope.name": "gateway",
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/users/me",
        "url.path": "/users/me",
        "url.scheme": "http",
        "client.address": "192.0.2.7",
        "network.protocol.version": "1.1",
        "user_agent.original": "a-browser",
        "user.id": "the-user",
    }
    assert of(client) == {
        "span.kind": "client",
        "otel.scope.name": "gateway",
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.full": f"{users.url}/users/me",
        "server.address": "127.0.0.1",
        "server.port": users.port,
    }
    assert traced.wait_line(lambda line: line.get("traceId") == trace_id and "statusCode" in line)["url"] == "/users/me"


def test_redis_calls(traced: Gateway, jaeger: Jaeger, realm: Scripted, users: Service) -> None:
    """The rate limits count in Redis."""
    trace_id, _, headers = sampled()
    assert traced.get("/users/me", realm.mint(sub=trace_id), headers).status == 200
    spans = spans_of(jaeger, trace_id, begun)
    (server,) = begun(spans)
    calls = [span for span in spans if of(span).get("db.system.name") == "redis"]
    assert calls
    for call in calls:
        assert is_child(call, server) and of(call) == {
            "span.kind": "client",
            "otel.scope.name": "gateway",
            "db.system.name": "redis",
            "db.operation.name": call["operationName"],
        }


def test_what_fails(traced: Gateway, jaeger: Jaeger, realm: Scripted, users: Service) -> None:
    """A service that resets is asked once more."""
    users.answer = replies.reset()
    trace_id, _, headers = sampled()
    assert traced.get("/users/me", realm.mint(), headers).status == 502
    spans = spans_of(jaeger, trace_id, begun)
    (server,) = begun(spans)
    first, again = sorted(
        (span for span in spans if span["operationName"] == "GET"), key=lambda span: int(span["startTime"])
    )
    assert of(server)["error"] is True and of(server)["error.type"] == "502"
    for call in (first, again):
        assert is_child(call, server)
        assert of(call)["error"] is True and of(call)["error.type"].isidentifier()
        assert "http.response.status_code" not in of(call)
    assert "http.request.resend_count" not in of(first) and of(again)["http.request.resend_count"] == 1
    assert not any(span["logs"] for span in spans)


def test_what_fails_unsampled(traced: Gateway, jaeger: Jaeger, realm: Scripted, users: Service) -> None:
    """The decision of the proxy stays; Jaeger shows the failure nevertheless."""
    users.answer = replies.sized(500)
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    headers = {"traceparent": f"00-{trace_id}-{span_id}-00"}
    assert traced.get("/users/me", realm.mint(), headers).status == 500
    spans = spans_of(jaeger, trace_id, lambda spans: len(spans) == 2)
    (server,) = begun(spans)
    (call,) = [span for span in spans if span is not server]
    assert is_child(call, server) and server["references"][0]["spanID"] == span_id
    assert users.last.header("traceparent") == f"00-{trace_id}-{call['spanID']}-00"
    assert of(server)["error"] is True and of(call)["error.type"] == "500"


def test_a_sign_in(traced: Gateway, jaeger: Jaeger, realm: Scripted) -> None:
    """Keycloak's part in it is a child of the callback's span; the login asks nobody, Redis apart."""
    visitor = Visitor(traced)
    visitor.signed_in(realm.authorize)
    for path, route, asked in (
        ("/auth/login", "POST /auth/login", []),
        ("/auth/callback", "GET /auth/callback", ["POST"]),
    ):
        trace_id = traced.access_line(path)["traceId"]
        spans = spans_of(jaeger, trace_id, begun)
        (server,) = begun(spans)
        assert server["operationName"] == route
        assert server["references"] == [] and of(server)["otel.scope.name"] == FLASK
        tags = of(server)
        assert tags.keys() <= ATTRIBUTES_LISTED | {"span.kind", "otel.scope.name", "otel.scope.version"}
        assert (tags["http.request.method"], tags["http.route"], tags["url.path"]) == (route.split()[0], path, path)
        assert tags["http.response.status_code"] == 200
        others = [span for span in spans if span is not server]
        assert all(is_child(span, server) for span in others)
        calls = [span for span in others if "url.full" in of(span)]
        assert [span["operationName"] for span in calls] == asked
        for call in calls:
            assert of(call)["url.full"] == f"{realm.url}/protocol/openid-connect/token"
            assert of(call)["http.response.status_code"] == 200
    assert any(of(span).get("db.system.name") == "redis" for span in spans), "the state is used once"


def test_what_is_not_sampled_is_not_there(traced: Gateway, jaeger: Jaeger, realm: Scripted, users: Service) -> None:
    """A trusted proxy's word; and what came later is there."""
    trace_id, span_id, _ = sampled()
    assert traced.get("/users/me", realm.mint(), {"traceparent": f"00-{trace_id}-{span_id}-00"}).status == 200
    later, _, headers = sampled()
    assert traced.get("/users/me", realm.mint(), headers).status == 200
    spans_of(jaeger, later, begun)
    assert jaeger.trace(int(trace_id, 16)) == {}


@pytest.mark.conformance("F4")
def test_jaeger_killed_under_load(
    start_gateway: StartGateway, issuer: Issuer, tmp_path: Path, way: str, users: Service
) -> None:
    """No request fails or waits, and a request during the outage is found after it."""
    with Jaeger(tmp_path) as jaeger:
        env = {**told_of(jaeger, way), "TRUSTED_PROXIES": "127.0.0.1"}
        gateway = start_gateway(env)
        bearer = {"Authorization": f"Bearer {issuer.mint()}"}
        unsampled = {**bearer, "traceparent": f"00-{'a' * 32}-{'b' * 16}-00"}

        def ask() -> str:
            """A request that is sampled, among many that are not: those would push it out."""
            trace_id, _, headers = sampled()
            assert gateway.get("/users/me", headers={**bearer, **headers}).status == 200
            return trace_id

        def reported(end: str) -> object:
            own = [line["message"] for line in gateway.lines() if line.get("logger") == "gateway.traces"]
            return any(text.endswith(end) for text in own)

        with Load(gateway, unsampled) as load:
            spans_of(jaeger, ask(), begun)
            jaeger.kill()
            during = [ask() for _ in range(20)]
            until(lambda: reported("retrying"), 20, "the outage to be noticed")
            during += [ask() for _ in range(20)]
            jaeger.start()
            for trace_id in [*during, ask()]:
                assert len(spans_of(jaeger, trace_id, begun)) == 2
            until(lambda: reported("delivered again, 0 were dropped"), 20, "its end to be told")
        assert load.failures == []
