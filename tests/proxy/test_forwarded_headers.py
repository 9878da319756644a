"""Headers a client makes up never arrive; a forwarded chain is believed from trusted proxies only."""

import re
from collections.abc import Iterator

import pytest
from harness.gateway import Gateway, StartGateway
from harness.gateways import GatewayFactory
from harness.issuer import Issuer
from harness.service import Service

FORGED = "forged-marker"


@pytest.fixture(scope="module")
def behind_proxy(make_gateway: GatewayFactory) -> Iterator[Gateway]:
    """A gateway that trusts the loopback and a network as proxies."""
    env = {"TRUSTED_PROXIES": "127.0.0.1, 198.51.100.0/24"}
    with make_gateway(env) as running:
        yield running


FORGEABLE = [
    "X-User-Id", "X-User-Email", "X-User-Roles", "X-User-Name", "X-User-Anything", "x-user-id",
    "X-USER-ROLES", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Server", "X-Forwarded-User", "Forwarded", "X-Real-IP", "X-Real-Ip", "X-Request-Id",
    "CF-Connecting-IP", "True-Client-IP", "X-Client-IP", "X-Envoy-External-Address", "Client-IP",
    "X_User_Id",
    "X_User-Id", "X-User_Id", "X_User_Roles", "X_Forwarded_For", "X_Forwarded_Proto", "X_Real_IP",
    "X_Request_Id",
    "X.User.Id", "X.User-Roles", "X~User~Id", "X.Forwarded.For", "Remote-User", "Remote-Groups", "X-Remote-User",
    "X-Auth-Request-User", "X-Auth-Request-Email", "X-SSL-Client-Cert", "X-Original-URI", "Forwarded-For",
]  # fmt: skip


@pytest.mark.conformance("P4")
@pytest.mark.parametrize("name", FORGEABLE)
def test_a_made_up_value_never_arrives(gateway: Gateway, users: Service, token: str, name: str) -> None:
    for headers in ([(name, FORGED)], [(name, FORGED), (name, FORGED)]):
        assert gateway.get("/users/me", token, headers).status in (200, 400)
    assert not [received for received in users.requests if FORGED.encode() in received.raw]
    for received in users.requests:
        assert received.header("X-User-Id") == "user-1"


@pytest.mark.conformance("P4")
def test_an_email_that_is_unknown_is_left_out(gateway: Gateway, issuer: Issuer, users: Service) -> None:
    token = issuer.mint(drop=["email"])
    assert gateway.get("/users/me", token, {"X-User-Email": "boss@example.test"}).status == 200
    assert "x-user-email" not in users.last.names


FOREIGN_TRACE = [
    "b3", "X-B3-TraceId", "X-B3-SpanId", "x-b3-sampled", "uber-trace-id", "uberctx-key", "X-Cloud-Trace-Context",
    "X-Amzn-Trace-Id", "X-Datadog-Trace-Id", "x-datadog-sampling-priority", "sentry-trace", "baggage",
]  # fmt: skip


@pytest.mark.conformance("P16")
@pytest.mark.parametrize("name", FOREIGN_TRACE)
def test_foreign_trace_context_is_believed_from_a_trusted_peer_alone(
    gateway: Gateway, behind_proxy: Gateway, users: Service, token: str, name: str
) -> None:
    assert gateway.get("/users/me", token, {name: FORGED}).status == 200
    assert name.lower() not in users.last.names
    assert behind_proxy.get("/users/me", token, {name: FORGED}).status == 200
    assert users.last.header(name) == FORGED


@pytest.mark.conformance("P16", "P3")
@pytest.mark.parametrize("name", ["Proxy", "proxy", "Proxy-Anything"])
def test_no_service_takes_a_clients_word_for_its_proxy(
    gateway: Gateway, behind_proxy: Gateway, users: Service, token: str, name: str
) -> None:
    for running in (gateway, behind_proxy):
        assert running.get("/users/me", token, {name: "http://attacker.test:8080"}).status == 200
        assert not [field for field in users.last.names if field.startswith("proxy")]


@pytest.mark.parametrize(
    ("said", "scheme"),
    [("https", "https"), ("https, http", "https"), ("http,https", "http"), ("HTTPS , http", "https"), ("ftp", "http")],
)
def test_the_first_scheme_of_a_trusted_chain_is_the_clients(
    behind_proxy: Gateway, users: Service, token: str, said: str, scheme: str
) -> None:
    assert behind_proxy.get("/users/me", token, {"X-Forwarded-Proto": said}).status == 200
    assert users.last.header("X-Forwarded-Proto") == scheme


CHAINS = {
    "IPv4 in IPv6": (["::ffff:203.0.113.9"], "203.0.113.9, 127.0.0.1"),
    "nobody": ([], "127.0.0.1"),
    "one": (["203.0.113.9"], "203.0.113.9, 127.0.0.1"),
    "the right one": (["6.6.6.6, 203.0.113.9"], "203.0.113.9, 127.0.0.1"),
    "through two proxies": (["6.6.6.6, 203.0.113.9, 198.51.100.7"], "203.0.113.9, 198.51.100.7, 127.0.0.1"),
    "two lines": (["6.6.6.6, 203.0.113.9", "198.51.100.7"], "203.0.113.9, 198.51.100.7, 127.0.0.1"),
    "IPv6": (["2001:db8::1"], "2001:db8::1, 127.0.0.1"),
}


@pytest.mark.conformance("P4")
@pytest.mark.parametrize(("lines", "expected"), CHAINS.values(), ids=CHAINS)
def test_a_trusted_proxys_chain_is_read_from_the_right(
    behind_proxy: Gateway, users: Service, token: str, lines: list[str], expected: str
) -> None:
    assert behind_proxy.get("/users/me", token, [("X-Forwarded-For", line) for line in lines]).status == 200
    assert users.last.header("X-Forwarded-For") == expected


@pytest.mark.conformance("P4")
@pytest.mark.parametrize("line", ["unknown", "", ",", "203.0.113.9, garbage", "a" * 300, "1.2.3.4.5", "[::1]:80"])
def test_a_chain_of_garbage_is_no_address(behind_proxy: Gateway, users: Service, token: str, line: str) -> None:
    assert behind_proxy.get("/users/me", token, {"X-Forwarded-For": line}).status == 200
    chain = (users.last.header("X-Forwarded-For") or "").split(", ")
    assert all(re.fullmatch(r"[0-9a-f.:]+", address) for address in chain)
    assert "203.0.113.9" not in chain


@pytest.mark.conformance("P4")
def test_a_trusted_proxy_tells_scheme_host_and_request_id(behind_proxy: Gateway, users: Service, token: str) -> None:
    reported = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "api.example.org", "X-Request-Id": "req-42"}
    answer = behind_proxy.get("/users/me", token, {"X-Forwarded-For": "203.0.113.9", **reported})
    assert {name: users.last.header(name) for name in reported} == reported
    assert answer.header("X-Request-Id") == "req-42"


@pytest.mark.conformance("P4")
def test_identity_is_not_believed_from_a_trusted_proxy_either(
    behind_proxy: Gateway, users: Service, token: str
) -> None:
    made_up = {"X-User-Id": FORGED, "X-User-Roles": FORGED, "X-User-Email": FORGED, "X-User-Extra": FORGED}
    assert behind_proxy.get("/users/me", token, made_up).status == 200
    assert FORGED.encode() not in users.last.raw


def test_an_address_of_a_socket_for_both_families_is_ipv4(
    start_gateway: StartGateway, users: Service, token: str
) -> None:
    gateway = start_gateway({"HOST": "::"})
    assert gateway.get("/users/me", token).status == 200
    assert users.last.header("X-Forwarded-For") == "127.0.0.1"
    assert gateway.access_line("/users/me")["ip"] == "127.0.0.1"
