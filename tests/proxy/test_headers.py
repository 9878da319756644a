"""Headers on the way to a service: what is dropped, what is added, and what a client can not make up."""

import re

import pytest
from harness import http, replies
from harness.gateway import Gateway
from harness.issuer import Issuer
from harness.service import Received, Service


@pytest.mark.conformance("P9")
def test_nothing_is_invented(gateway: Gateway, users: Service, token: str) -> None:
    assert gateway.get("/users/me", token).status == 200
    ours = {
        "host", "authorization", "x-user-id", "x-user-email", "x-user-roles", "x-request-id", "traceparent",
        "tracestate", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "via", "connection",
    }  # fmt: skip
    assert users.last.names <= ours
    assert len(users.last.names) == len(users.last.headers)


def test_what_the_service_is_told(gateway: Gateway, issuer: Issuer, users: Service) -> None:
    token = issuer.mint(sub="7f9c-1")
    answer = gateway.get("/users/me", token, {"Host": "api.example.test"})
    received = users.last
    assert received.header("Host") == f"127.0.0.1:{users.port}"
    assert received.header("Authorization") == f"Bearer {token}"
    assert received.header("X-User-Id") == "7f9c-1"
    assert received.header("X-User-Email") == "cora@example.test"
    assert received.header("X-User-Roles") is not None
    assert received.header("X-Request-Id") == answer.header("X-Request-Id")
    assert received.header("X-Forwarded-For") == "127.0.0.1"
    assert received.header("X-Forwarded-Proto") == "http"
    assert received.header("X-Forwarded-Host") == "api.example.test"
    assert received.header("Via")


def test_the_clients_headers_and_cookies_pass(gateway: Gateway, users: Service, token: str) -> None:
    sent = {
        "User-Agent": "Browser/1.0 (X11; \xe9)",
        "Accept": "text/html;q=0.5, */*",
        "Accept-Encoding": "br",
        "Accept-Language": "de",
        "Cookie": 'a=1; theme="dark"; a=2',
        "If-None-Match": 'W/"x"',
        "Referer": "http://localhost:3000/a?b",
        "Origin": "http://localhost:3000",
        "x-lower-case": "kept",
        "X-Empty": "",
    }
    assert gateway.get("/users/me", token, sent).status == 200
    for name, value in sent.items():
        assert users.last.header(name) == value


def test_a_header_sent_twice_stays_twice_or_is_joined(gateway: Gateway, users: Service, token: str) -> None:
    assert gateway.get("/users/me", token, [("X-Twice", "a"), ("X-Twice", "b")]).status == 200
    joined = ",".join(users.last.all("X-Twice"))
    assert [value.strip() for value in joined.split(",")] == ["a", "b"]


HOP_BY_HOP = {
    "Keep-Alive": "timeout=5",
    "TE": "trailers",
    "Trailer": "X-Sum",
    "Upgrade": "websocket",
    "Proxy-Authorization": "Basic eDp5",
    "Proxy-Connection": "keep-alive",
    "Proxy-Authenticate": "Basic",
}


@pytest.mark.conformance("P3")
@pytest.mark.parametrize("name", HOP_BY_HOP)
def test_hop_by_hop_headers_stay_on_their_hop(gateway: Gateway, users: Service, token: str, name: str) -> None:
    assert gateway.get("/users/me", token, {name: HOP_BY_HOP[name]}).status == 200
    assert name.lower() not in users.last.names
    users.answer = replies.sized(200, [(name, HOP_BY_HOP[name])])
    assert gateway.get("/users/me", token).header(name) is None


@pytest.mark.conformance("P3")
def test_what_connection_names_stays_on_its_hop(gateway: Gateway, users: Service, token: str) -> None:
    sent = [("Connection", "X-One, close , x-TWO"), ("Connection", "X-Three"), ("X-One", "1"), ("X-Two", "2")]
    assert gateway.get("/users/me", token, [*sent, ("X-Three", "3"), ("X-Four", "4")]).status == 200
    assert users.last.names & {"x-one", "x-two", "x-three", "x-four"} == {"x-four"}
    assert "x-one" not in (users.last.header("Connection") or "").lower()
    users.answer = replies.sized(200, [("Connection", "X-Hop"), ("X-Hop", "1"), ("X-End", "2")])
    answer = gateway.get("/users/me", token)
    assert (answer.header("X-Hop"), answer.header("X-End")) == (None, "2")


@pytest.mark.conformance("P3")
@pytest.mark.parametrize(
    "name",
    ["X-User-Id", "X-User-Email", "X-User-Roles", "Authorization", "X-Forwarded-For", "X-Forwarded-Host",
     "X-Request-Id", "Via", "traceparent", "Host"],
)  # fmt: skip
def test_connection_strips_nothing_of_the_gateways(gateway: Gateway, users: Service, token: str, name: str) -> None:
    assert gateway.get("/users/me", token, {"Connection": name}).status == 200
    assert users.last.header(name)


@pytest.mark.conformance("P3")
def test_connection_can_not_unframe_a_body(gateway: Gateway, users: Service, token: str) -> None:
    headers = {"Connection": "Content-Length, Transfer-Encoding, Content-Type", "Content-Type": "text/plain"}
    answer = gateway.get("/users/me", token, headers, method="PUT", body=b"hello")
    assert answer.status in (200, 400)
    assert [received.body for received in users.requests] == ([b"hello"] if answer.status == 200 else [])


@pytest.mark.conformance("P13")
def test_via_is_appended(gateway: Gateway, users: Service, token: str) -> None:
    assert gateway.get("/users/me", token, {"Via": "1.0 fred, 1.1 p.example.net"}).status == 200
    chain = [hop.strip() for hop in ",".join(users.last.all("Via")).split(",")]
    assert chain[:2] == ["1.0 fred", "1.1 p.example.net"]
    assert len(chain) == 3
    assert re.fullmatch(r"(HTTP/)?1\.1 \S+", chain[2])


@pytest.mark.conformance("P13")
def test_a_loop_is_refused(gateway: Gateway, users: Service, token: str) -> None:
    """The service sends everything back to the gateway, as a wrong base URL would."""
    seen: list[http.Answer] = []

    def back_to_the_gateway(received: Received, conn: object) -> None:
        answer = http.request(gateway.port, received.method, received.target, received.headers)
        seen.append(answer)
        replies.sized(answer.status, body=answer.body)(received, conn)  # type: ignore[arg-type]

    users.answer = back_to_the_gateway
    answer = gateway.get("/users/me", token)
    assert answer.status == 508
    assert seen[-1].json()["statusCode"] == 508
    assert len(users.requests) == 1
