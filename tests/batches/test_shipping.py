"""Loki and the collectors of traces, each refused, hanging, failing and returning: nobody waits, nothing is lost
without being counted, an outage is one line."""

import gzip
import itertools
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from harness import replies
from harness.ports import free_port
from harness.service import Answerer, Received, Service
from harness.shipping import Numbers, ShippingProcess, of_lines, of_otlp, of_thrift
from harness.waiting import until

pytestmark = [pytest.mark.conformance("F4"), pytest.mark.timed]

TAKEN = replies.sized(200)
AT_ONCE = 2_500
"""So many lines standard output queues. If it drops some, it says so in another line, which Loki gets too."""


@dataclass(frozen=True)
class Kind:
    """A peer: how a process is told to ship to it, what it is called in the log, how what it got is read."""

    name: str
    numbers: Numbers

    def options(self, url: str) -> dict[str, Any]:
        soon = {"OTEL_BSP_SCHEDULE_DELAY": "200"}
        options: dict[str, dict[str, Any]] = {
            "Loki": {"loki": url},
            "Jaeger": {"jaeger": f"{url}/api/traces", "environ": soon},
            "OTLP": {"environ": {"OTEL_EXPORTER_OTLP_ENDPOINT": url, **soon}},
        }
        return options[self.name]


KINDS = [Kind("Loki", of_lines), Kind("Jaeger", of_thrift), Kind("OTLP", of_otlp)]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
def peer() -> Iterator[Service]:
    with Service(port=free_port()) as running:
        running.answer = TAKEN
        yield running


@pytest.fixture
def shipping(kind: Kind, peer: Service, tmp_path: Path) -> Iterator[ShippingProcess]:
    with ShippingProcess(tmp_path, **kind.options(peer.url)) as running:
        yield running


def arrived(kind: Kind, peer: Service, since: int = 0) -> list[int]:
    """The numbers of all that came whole, in its order."""
    return [
        number for received in peer.requests[since:] if received.ended.is_set() for number in kind.numbers(received)
    ]


def failing(status: int) -> Answerer:
    return replies.sized(status, body=b"MARK-of-the-peer")


def test_all_arrives_in_order(kind: Kind, peer: Service, shipping: ShippingProcess) -> None:
    shipping.put(0, 1500)
    until(lambda: len(arrived(kind, peer)) == 1500)
    assert arrived(kind, peer) == list(range(1500))
    assert shipping.dropped == 0 and shipping.logged() == []


def test_a_peer_that_is_not_there(kind: Kind, peer: Service, shipping: ShippingProcess) -> None:
    peer.stop()
    shipping.put(0, 10)
    assert shipping.took < 1
    until(shipping.logged)
    shipping.put(10, 20)
    peer.start()
    until(lambda: len(arrived(kind, peer)) == 20, 10)
    assert arrived(kind, peer) == list(range(20))
    until(lambda: len(shipping.logged()) == 2)
    (down, warned), (up, back) = shipping.logged()
    assert (down, up) == ("warn", "info")
    assert warned.startswith(f"{kind.name} (") and f":{peer.port}" in warned and "(refused)" in warned
    assert back.endswith("delivered again, 0 were dropped")
    assert shipping.dropped == 0


@pytest.mark.parametrize("status", [429, 500])
def test_a_peer_that_can_not_now(kind: Kind, peer: Service, shipping: ShippingProcess, status: int) -> None:
    """The same batch comes again, and nothing before it."""
    peer.answer = replies.by_turn(failing(status), failing(status), TAKEN)
    shipping.put(0, 10)
    until(lambda: len(peer.requests) == 1)
    shipping.put(10, 20)
    until(lambda: len(shipping.logged()) == 2, 10)
    sent = [kind.numbers(received) for received in peer.requests]
    assert sent[0] == list(range(10)) and sent[1][:10] == list(range(10)) and sent[2][:10] == list(range(10))
    assert arrived(kind, peer, 2) == list(range(20))
    assert f"(status {status})" in shipping.logged()[0][1] and shipping.dropped == 0


@pytest.mark.parametrize("status", [302, 400])
def test_a_peer_that_will_not(kind: Kind, peer: Service, shipping: ShippingProcess, status: int) -> None:
    """It is dropped, counted, said once; what comes next is sent."""
    peer.answer = failing(status)
    for turn in range(3):
        shipping.put(turn * 10, turn * 10 + 10)
        until(lambda: shipping.dropped == turn * 10 + 10)
    peer.answer = TAKEN
    shipping.put(30, 40)
    until(lambda: len(shipping.logged()) == 2)
    assert arrived(kind, peer) == list(range(40)) and shipping.dropped == 30
    (_, warned), (_, back) = shipping.logged()
    assert f"refused by the receiver (status {status})" in warned and back.endswith("30 were dropped")
    assert "MARK" not in shipping.stdout.read_text()


def test_a_peer_that_hangs(kind: Kind, peer: Service, shipping: ShippingProcess) -> None:
    peer.answer = replies.hang()
    shipping.put(0, 10)
    until(lambda: peer.requests)
    shipping.put(10, 20)
    assert shipping.took < 1
    until(shipping.logged)
    assert "(no byte in time)" in shipping.logged()[0][1]
    peer.answer = TAKEN
    before = len(peer.requests)
    until(lambda: len(arrived(kind, peer, before)) == 20, 10)
    assert arrived(kind, peer, before) == list(range(20)) and shipping.dropped == 0


def test_a_peer_that_drips(kind: Kind, peer: Service, shipping: ShippingProcess) -> None:
    """A byte now and then does not hold the queue: the call has an end."""
    peer.answer = replies.drip(b"x" * 1000, replies.head(200, [("Content-Length", "1000")]), every=0.2)
    shipping.put(0, 10)
    until(shipping.logged, 10)
    # Its end comes between two bytes, or as one is there.
    assert any(words in shipping.logged()[0][1] for words in ("(no byte in time)", "(the response took too long)"))


@pytest.mark.parametrize(
    "answer", [replies.hang(), failing(503), replies.raw(b"garbage\r\n\r\n", True), replies.reset()],
    ids=["hangs", "fails", "speaks garbage", "resets"],
)  # fmt: skip
@pytest.mark.conformance("S1")
def test_the_end_has_a_bound(kind: Kind, peer: Service, shipping: ShippingProcess, answer: Answerer) -> None:
    """Whatever the peer does; and what could not be sent is counted."""
    peer.answer = answer
    shipping.put(0, 25)
    shipping.close(1.0)
    assert shipping.took < 3
    assert shipping.dropped == 25
    until(lambda: any(text.endswith("stopped with 25 not delivered") for _, text in shipping.logged()))


@pytest.mark.conformance("S1")
def test_the_last_ones_are_sent_at_the_end(kind: Kind, peer: Service, shipping: ShippingProcess) -> None:
    shipping.put(0, 25)
    shipping.close(5.0)
    assert shipping.took < 4
    assert arrived(kind, peer) == list(range(25)) and shipping.dropped == 0


def test_a_long_outage_keeps_the_newest(kind: Kind, peer: Service, shipping: ShippingProcess) -> None:
    """Memory is bounded, and what is lost is counted. (A batch that is just being tried may stay, older as it is.)"""
    batch = 1000
    held = 20_000 if kind.name == "Loki" else 2048
    peer.stop()
    for first in range(0, 30_000, AT_ONCE):
        shipping.put(first, first + AT_ONCE)
        if kind.name == "Loki":
            until(lambda: f'"line {first + AT_ONCE - 1}"' in shipping.stdout.read_text(), 15, "the lines on stdout")
    assert shipping.dropped == 30_000 - held
    peer.start()
    until(lambda: arrived(kind, peer, -1)[-1:] == [29_999], 60)  # all of them are too much to read again and again
    got = arrived(kind, peer)
    assert len(got) == held and got == sorted(got) and got[batch - held :] == list(range(30_000 + batch - held, 30_000))
    until(lambda: len(shipping.logged()) == 2)
    assert shipping.logged()[1][1].endswith(f"{30_000 - held} were dropped")


class TestLoki:
    @pytest.fixture(params=["", "/prefix/"], ids=["plain", "below a path"])
    def base(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    def push(self, received: Received) -> dict[str, list[list[str]]]:
        """level → the values of its stream."""
        streams = json.loads(gzip.decompress(received.body))["streams"]
        for stream in streams:
            labels = stream["stream"]
            assert labels.keys() == {"service", "host", "pid", "level"} and labels["service"] == "api-gateway"
            lines = [json.loads(text) for _, text in stream["values"]]
            assert all({name: str(line[name]) for name in labels} == labels for line in lines)
        return {stream["stream"]["level"]: stream["values"] for stream in streams}

    def test_loki_gets_the_lines_of_standard_output(self, peer: Service, tmp_path: Path, base: str) -> None:
        peer.answer = replies.sized(204)
        with ShippingProcess(tmp_path, loki=peer.url + base, tenant="the-tenant") as shipping:
            shipping.put(0, 3)
            shipping.ask("say", "gateway.tests", logging.WARNING, "a warning")
            shipping.ask("gunicorn", "of gunicorn's own")
        (received,) = peer.requests
        assert received.method == "POST"
        assert received.target.decode() == base.rstrip("/") + "/loki/api/v1/push"
        assert received.header("X-Scope-OrgID") == "the-tenant"
        assert received.header("Content-Type") == "application/json"
        pushed = self.push(received)
        assert pushed.keys() == {"info", "warn"} and all(pushed.values())
        assert sorted(line for values in pushed.values() for _, line in values) == sorted(
            shipping.stdout.read_text().splitlines()
        )
        assert "of gunicorn's own" in shipping.stdout.read_text()
        times = [int(at) for at, _ in pushed["info"]]
        assert all(before < after for before, after in itertools.pairwise(times))

    def test_without_a_tenant_loki_is_told_none(self, peer: Service, tmp_path: Path) -> None:
        with ShippingProcess(tmp_path, loki=peer.url) as shipping:
            shipping.put(0, 1)
        assert peer.last.header("X-Scope-OrgID") is None

    def test_loki_is_not_told_of_its_own_outage(self, peer: Service, tmp_path: Path) -> None:
        """That would make the queue longer that can not be delivered; other peers' outages it hears of."""
        peer.answer = replies.by_turn(failing(503), failing(400), TAKEN)
        with ShippingProcess(tmp_path, loki=peer.url, jaeger="http://127.0.0.1:1/api/traces") as shipping:
            shipping.put(0, 1)
            until(lambda: len([text for _, text in shipping.logged() if text.startswith("Loki")]) == 2, 10)
            shipping.put(1, 2)
        loggers = {
            json.loads(line).get("logger")
            for received in peer.requests
            for values in self.push(received).values()
            for _, line in values
        }
        assert loggers == {None, "gateway.traces"}
