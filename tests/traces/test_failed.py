"""A request that fails is traced although it was not sampled; one that succeeds is not, and no service is told so."""

import time
from collections.abc import Iterator

import pytest
from harness import http, replies
from harness.collector import Collector, Span
from harness.gateway import Gateway, StartGateway
from harness.gateways import GatewayFactory
from harness.issuer import Issuer
from harness.ports import free_port
from harness.service import Answerer, Service
from harness.waiting import until
from harness.watchers import Watchers

from gateway.headers import VIA
from gateway.traces.allowlist import ATTRIBUTES

PARENT = "00f067aa0ba902b7"
OFF = {"OTEL_TRACES_SAMPLER": "parentbased_always_off", "TRUSTED_PROXIES": "127.0.0.1", "PROXY_READ_TIMEOUT": "1"}
SHORT = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc"


@pytest.fixture(scope="module")
def unsampled(make_gateway: GatewayFactory, collector: Collector) -> Iterator[Gateway]:
    with make_gateway({**collector.env, **OFF}) as running:
        yield running


def tree(gateway: Gateway, collector: Collector, path: str, count: int) -> list[Span]:
    """The spans of the one request to this path, the server's first; they are well made."""
    spans = collector.wait(gateway.access_line(path)["traceId"], count)
    spans.sort(key=lambda span: span.kind != "server")
    for span in spans:
        assert span.failed and not span.said and not span.events
        assert span.attributes.keys() <= ATTRIBUTES
        assert span.service == "api-gateway" and abs(span.began / 1e9 - time.time()) < 60
    return spans


@pytest.mark.parametrize(
    ("number", "answer", "status", "kind"),
    [
        (1, replies.sized(500), 500, "500"),
        (2, replies.raw(b"garbage\r\n\r\n", close=True), 502, "ProtocolError"),
        (3, replies.hang(), 504, "ResponseTimeout"),
        (4, replies.reset(), 502, "NoResponse"),
    ],
    ids=["the service's own", "garbage", "silence", "reset"],
)
def test_a_failed_call_has_its_spans(
    unsampled: Gateway, collector: Collector, interviews: Service, issuer: Issuer,
    number: int, answer: Answerer, status: int, kind: str,
) -> None:  # fmt: skip
    interviews.answer = answer
    path = f"/interviews/failed-{number}"
    agent = {"User-Agent": "a-browser".ljust(2000, "x")}
    assert unsampled.get(f"{path}?page=2", issuer.mint(sub="the-user"), agent).status == status
    server, call = tree(unsampled, collector, path, 2)
    line = unsampled.access_line(path)
    assert (server.name, server.parent, call.name, call.parent) == ("GET /interviews/<id>", "", "GET", server.id)
    assert server.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": status,
        "http.route": "/interviews/<id>",
        "url.path": path,
        "url.scheme": "http",
        "client.address": "127.0.0.1",
        "network.protocol.version": "1.1",
        "user_agent.original": "a-browser".ljust(200, "x"),
        "user.id": "the-user",
        "error.type": str(status),
    }
    resent = {"http.request.resend_count": 1} if kind == "NoResponse" else {}
    answered = {"http.response.status_code": 500} if kind == "500" else {}
    assert call.attributes == resent | answered | {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": interviews.port,
        "error.type": kind,
    }
    assert server.began <= call.began <= call.ended <= server.ended
    assert abs((server.ended - server.began) / 1e6 - line["duration"]) < 50
    assert abs((call.ended - call.began) / 1e6 - line["upstreamDuration"]) < 50
    told = {received.header("traceparent") for received in interviews.requests}
    assert told == {f"00-{server.trace}-{call.id}-00"}, "the decision stays"


def test_a_service_that_is_down(start_gateway: StartGateway, collector: Collector, issuer: Issuer) -> None:
    """Its breaker opens: then nobody is called."""
    gateway = start_gateway({**collector.env, **OFF}, services={"interviews": f"http://127.0.0.1:{free_port()}"})
    token = issuer.mint()
    assert [gateway.get(f"/interviews/down-{number}", token).status for number in range(6)] == [502] * 5 + [503]
    _, call = tree(gateway, collector, "/interviews/down-0", 2)
    assert call.attributes["error.type"] == "ConnectError"
    (server,) = tree(gateway, collector, "/interviews/down-5", 1)
    assert server.attributes["error.type"] == "503"


def test_an_answer_that_is_cut(unsampled: Gateway, collector: Collector, interviews: Service, issuer: Issuer) -> None:
    interviews.answer = replies.raw(SHORT, close=True)
    unsampled.provoke(http.head("GET", "/interviews/cut-1", [("Authorization", f"Bearer {issuer.mint()}")]))
    assert unsampled.access_line("/interviews/cut-1")["cut"] is True
    server, call = tree(unsampled, collector, "/interviews/cut-1", 2)
    assert (server.attributes["http.response.status_code"], server.attributes["error.type"]) == (200, "cut")
    assert (call.attributes["http.response.status_code"], call.attributes["error.type"]) == (200, "IncompleteBody")


def test_a_clients_trace_goes_on(unsampled: Gateway, collector: Collector, interviews: Service, issuer: Issuer) -> None:
    """Of a proxy that is trusted, and decided against it."""
    interviews.answer = replies.sized(503)
    headers = {"traceparent": f"00-{'ab' * 16}-{PARENT}-00"}
    assert unsampled.get("/interviews/parent-1", issuer.mint(), headers).status == 503
    server, call = tree(unsampled, collector, "/interviews/parent-1", 2)
    assert (server.trace, server.parent) == ("ab" * 16, PARENT)
    assert interviews.last.header("traceparent") == f"00-{'ab' * 16}-{call.id}-00"


def test_a_sampled_request_has_its_spans_once(
    unsampled: Gateway, collector: Collector, interviews: Service, issuer: Issuer
) -> None:
    interviews.answer = replies.sized(500)
    headers = {"traceparent": f"00-{'cd' * 16}-{PARENT}-01"}
    assert unsampled.get("/interviews/sampled-1", issuer.mint(), headers).status == 500
    _, call = tree(unsampled, collector, "/interviews/sampled-1", 2)
    assert interviews.last.header("traceparent") == f"00-{'cd' * 16}-{call.id}-01"


def test_sign_in_without_keycloak(start_gateway: StartGateway, collector: Collector) -> None:
    """A route whose spans are the instrumentation's."""
    gateway = start_gateway({**collector.env, **OFF}, ready=False, issuer=None, services={})
    answer = gateway.get("/auth/refresh", method="POST", body=b'{"refreshToken": "x"}',
                         headers={"Content-Type": "application/json"})  # fmt: skip
    assert answer.status == 503
    (server,) = tree(gateway, collector, "/auth/refresh", 1)
    assert (server.name, server.trace) == ("POST /auth/refresh", answer.json()["traceId"])


def test_what_does_not_fail_has_no_span(
    unsampled: Gateway, collector: Collector, interviews: Service, issuer: Issuer
) -> None:
    """A client that leaves is no failure either."""
    token = issuer.mint()
    assert unsampled.get("/interviews/fine-1", token).status == 200
    assert unsampled.get("/interviews/fine-2").status == 401
    interviews.answer = replies.drip(b"x" * 1000, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    with http.Connection(unsampled.port) as leaving:
        leaving.request("GET", "/interviews/fine-3", {"Authorization": f"Bearer {token}"})
        until(lambda: interviews.requests)
        assert leaving.socket.recv(1)
    assert unsampled.access_line("/interviews/fine-3")["cut"] is True
    interviews.answer = replies.sized(500)
    assert unsampled.get("/interviews/failed-last", token).status == 500
    tree(unsampled, collector, "/interviews/failed-last", 2)
    quiet = {unsampled.access_line(f"/interviews/fine-{number}")["traceId"] for number in (1, 2, 3)}
    assert not [span for span in collector.spans if span.trace in quiet]


def test_what_anybody_can_cause_has_no_span(
    unsampled: Gateway, collector: Collector, interviews: Service, issuer: Issuer
) -> None:
    """An unknown method, a loop: without a token, and as often as he likes."""
    assert unsampled.get("/interviews/odd-1", method="BREW").status == 501
    assert unsampled.get("/interviews/odd-2", headers={"Via": f"1.1 {VIA}"}).status == 508
    interviews.answer = replies.sized(500)
    assert unsampled.get("/interviews/odd-last", issuer.mint()).status == 500
    tree(unsampled, collector, "/interviews/odd-last", 2)
    odd = {unsampled.access_line(f"/interviews/odd-{number}")["traceId"] for number in (1, 2)}
    assert not [span for span in collector.spans if span.trace in odd]


def test_every_exporter_gets_it(start_gateway: StartGateway, interviews: Service, issuer: Issuer) -> None:
    with Watchers() as watchers:
        gateway = start_gateway({**watchers.env, **OFF, "OTEL_BSP_SCHEDULE_DELAY": "100"})
        interviews.answer = replies.sized(500)
        assert gateway.get("/interviews/both-1", issuer.mint()).status == 500
        until(lambda: all("/interviews/both-1" in paths for paths in watchers.paths()), 10, "the span in all places")
        (tags,) = [tags for _, tags in watchers.spans() if tags.get("url.path") == "/interviews/both-1"]
        assert (tags["error.type"], tags["span.kind"]) == ("500", "server")
        gateway.stop()


def test_where_spans_are_disabled_there_is_none(
    start_gateway: StartGateway, collector: Collector, interviews: Service, issuer: Issuer
) -> None:
    gateway = start_gateway({**collector.env, **OFF, "OTEL_TRACES_EXPORTER": "none"})
    interviews.answer = replies.sized(500)
    assert gateway.get("/interviews/none-1", issuer.mint()).status == 500
    trace = gateway.access_line("/interviews/none-1")["traceId"]
    gateway.stop()
    assert not collector.of(trace)
