"""W3C trace context: whose trace a request belongs to, and who may say that it is sampled."""

import re
import signal
from collections.abc import Iterator

import pytest
from harness.each_worker import each_worker
from harness.gateway import Gateway, StartGateway
from harness.gateways import GatewayFactory
from harness.issuer import Issuer
from harness.service import Received, Service
from harness.waiting import until


@pytest.fixture(scope="module")
def behind_proxy(make_gateway: GatewayFactory) -> Iterator[Gateway]:
    """A gateway that trusts the loopback as proxy."""
    env = {"TRUSTED_PROXIES": "127.0.0.1"}
    with make_gateway(env) as running:
        yield running


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


def trace_of(received: Received) -> tuple[str, str, str]:
    parts = TRACEPARENT.fullmatch(received.header("traceparent") or "")
    assert parts, received.header("traceparent")
    return parts[1], parts[2], parts[3]


@pytest.mark.conformance("P14")
@pytest.mark.parametrize("flag", ["00", "01"])
def test_a_trace_continues(gateway: Gateway, users: Service, token: str, flag: str) -> None:
    """No proxy is trusted: the flag says nothing."""
    assert gateway.get("/users/me", token, {"traceparent": f"00-{TRACE}-{SPAN}-{flag}"}).status == 200
    trace, span, sampled = trace_of(users.last)
    assert trace == TRACE
    assert span != SPAN
    assert sampled == "00"


@pytest.mark.conformance("P14")
@pytest.mark.parametrize("flag", ["00", "01"])
def test_a_trusted_proxys_sampled_flag_is_obeyed(behind_proxy: Gateway, users: Service, token: str, flag: str) -> None:
    assert behind_proxy.get("/users/me", token, {"traceparent": f"00-{TRACE}-{SPAN}-{flag}"}).status == 200
    trace, _, sampled = trace_of(users.last)
    assert (trace, sampled) == (TRACE, flag)


@pytest.mark.conformance("P14")
def test_an_untrusted_sampled_flag_is_not_obeyed(
    start_gateway: StartGateway, users: Service, issuer: Issuer, token: str
) -> None:
    gateway = start_gateway()
    assert gateway.get("/users/me", token, {"traceparent": f"00-{TRACE}-{SPAN}-01"}).status == 200
    trace, _, sampled = trace_of(users.last)
    assert (trace, sampled) == (TRACE, "00")


@pytest.mark.conformance("P14")
@pytest.mark.parametrize(
    "value",
    ["", "garbage", f"00-{TRACE}-{SPAN}", f"00-{TRACE.upper()}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01",
     f"00-{TRACE}-{'0' * 16}-01", f"ff-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01-more",
     f"00-{TRACE}x-{SPAN}-01", f"00-{TRACE}-{SPAN}-zz", "00-" + "a" * 5000],
    ids=["empty", "garbage", "three parts", "upper case", "zero trace", "zero span", "version ff",
         "five parts", "long trace", "bad flags", "endless"],
)  # fmt: skip
def test_a_malformed_traceparent_starts_anew(gateway: Gateway, users: Service, token: str, value: str) -> None:
    assert gateway.get("/users/me", token, {"traceparent": value}).status == 200
    trace, span, _ = trace_of(users.last)
    assert trace not in (TRACE, "0" * 32)
    assert span not in (SPAN, "0" * 16)


@pytest.mark.conformance("P14")
def test_two_traceparents_start_anew(gateway: Gateway, users: Service, token: str) -> None:
    twice = [("traceparent", f"00-{TRACE}-{SPAN}-01"), ("traceparent", f"00-{'b' * 32}-{SPAN}-01")]
    assert gateway.get("/users/me", token, twice).status in (200, 400)
    assert all(trace_of(received)[0] not in (TRACE, "b" * 32) for received in users.requests)


@pytest.mark.conformance("P14")
def test_no_two_workers_make_the_same_ids(start_gateway: StartGateway, users: Service, token: str) -> None:
    """Nor does one that a reload begins."""
    gateway = start_gateway(workers=3)
    until(lambda: len(gateway.workers()) == 3, 10)
    for reloads in range(2):
        if reloads:
            before = set(gateway.workers())
            gateway.signal(signal.SIGHUP)
            until(lambda: len(now := gateway.workers()) == 3 and not before & set(now), 20, "the reload")
        with each_worker(gateway) as lines:
            for line in lines.values():
                for _ in range(2):
                    line.request("GET", "/users/me", {"Authorization": f"Bearer {token}"})
                    assert line.receive().status == 200
    ids = [identity for got in users.requests for identity in (*trace_of(got)[:2], got.header("x-request-id"))]
    assert len(users.requests) == 12
    assert len(set(ids)) == len(ids)
