"""Kafka refused, hanging, speaking garbage, without a name, returning (F4): no request waits, the stop does not, and
all flows again by itself."""

import signal
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from harness.gateway import Gateway, StartGateway
from harness.issuer import Issuer
from harness.kafka import MockKafka, hanging_broker
from harness.ports import free_port
from harness.relay import Relay, to
from harness.repository import ROOT
from harness.waiting import until

pytestmark = pytest.mark.timed

STOP_SECONDS = 15
NAME = "a-name-nobody-resolves.test"

# Python runs this before anything else: who asks for NAME waits, as long as a resolver that hangs lets him.
SLOW_RESOLVER = f"""
import _socket, time
resolve, sleep = _socket.getaddrinfo, time.sleep
def slow(host, *rest, **options):
    if host in ({NAME!r}, {NAME!r}.encode()):
        sleep(60)
    return resolve(host, *rest, **options)
_socket.getaddrinfo = slow
"""


@contextmanager
def refused(tmp_path: Path) -> Iterator[dict[str, str]]:
    yield {"KAFKA_BROKERS": f"127.0.0.1:{free_port()}"}


@contextmanager
def hanging(tmp_path: Path) -> Iterator[dict[str, str]]:
    with hanging_broker() as brokers:
        yield {"KAFKA_BROKERS": brokers}


@contextmanager
def unresolved(tmp_path: Path) -> Iterator[dict[str, str]]:
    (tmp_path / "sitecustomize.py").write_text(SLOW_RESOLVER)
    yield {"KAFKA_BROKERS": f"{NAME}:9092", "PYTHONPATH": f"{tmp_path}:{ROOT}"}


@contextmanager
def no_kafka(tmp_path: Path) -> Iterator[dict[str, str]]:
    with Relay(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as relay:
        relay.open()
        yield {"KAFKA_BROKERS": relay.address}


def sign_out(gateway: Gateway, issuer: Issuer) -> float:
    """Sign out of a session of its own, which is an event; how long the answer took."""
    token = issuer.mint()
    began = time.perf_counter()
    assert gateway.get("/auth/logout", token, method="POST").status == 200
    return time.perf_counter() - began


DOWN = {"refused": refused, "hanging": hanging, "no name": unresolved, "no kafka": no_kafka}
Down = Callable[[Path], Any]


@pytest.mark.conformance("F4", "S1")
@pytest.mark.parametrize("client", ["pykafka", "confluent"])
@pytest.mark.parametrize("down", DOWN.values(), ids=DOWN)
def test_while_it_is_down(start_gateway: StartGateway, issuer: Issuer, tmp_path: Path, down: Down, client: str) -> None:
    """Requests are served, health says so and stays 200, the log says it once, and the end comes soon."""
    with down(tmp_path) as env:
        gateway = start_gateway({**env, "KAFKA_CLIENT": client})
        for _ in range(20):
            sign_out(gateway, issuer)
        answer = gateway.get("/health")
        assert (answer.status, answer.json()["status"]) == (200, "ok")
        assert answer.json()["services"]["kafka"] == "unhealthy"
        assert gateway.get("/health/ready").status == 200
        begins = f"Kafka (KAFKA_BROKERS, {env['KAFKA_BROKERS']}): "
        if down is not unresolved:  # nobody knows yet whether there will be an answer
            gateway.wait_line(lambda line: line["message"].startswith(begins), 20)
        gateway.signal(signal.SIGTERM)
        assert gateway.wait(STOP_SECONDS) == 0
        gateway.wait_line(lambda line: "20 events were not sent before the worker stopped" in line["message"])
        said = [line["message"] for line in gateway.lines() if line["message"].startswith(begins)]
        assert len(said) == len(set(said)) <= 2, said
        assert "Traceback" not in gateway.stderr


@pytest.mark.conformance("F4")
@pytest.mark.parametrize("client", ["pykafka", "confluent"])
@pytest.mark.parametrize("down", [hanging, unresolved], ids=["hanging", "no name"])
def test_no_request_is_slower(
    start_gateway: StartGateway, issuer: Issuer, tmp_path: Path, down: Down, client: str
) -> None:
    """Of two gateways side by side, one without Kafka: what a logout takes is the same but for the noise."""
    with down(tmp_path) as env:
        without = start_gateway()
        with_it = start_gateway({**env, "KAFKA_CLIENT": client})
        times: dict[Gateway, list[float]] = {without: [], with_it: []}
        for number in range(300):
            for gateway in (without, with_it) if number % 2 else (with_it, without):
                times[gateway].append(sign_out(gateway, issuer))
        for quantile, slack in ((0.5, 0.005), (0.95, 0.05)):
            usual, ours = (statistics.quantiles(times[gateway], n=100)[int(quantile * 100) - 1] for gateway in times)
            assert ours < usual * 2 + slack, f"{quantile}: {ours * 1000:.1f} ms, and {usual * 1000:.1f} without Kafka"


@pytest.mark.conformance("F4")
@pytest.mark.parametrize("client", ["auto", "pykafka", "confluent"])
def test_when_it_comes(start_gateway: StartGateway, issuer: Issuer, client: str) -> None:
    """What happened while it was away is published then, without a restart."""
    with MockKafka() as kafka, Relay(to(kafka.port)) as relay:
        gateway = start_gateway({"KAFKA_BROKERS": relay.address, "KAFKA_CLIENT": client})
        for _ in range(20):
            sign_out(gateway, issuer)
        gateway.wait_line(lambda line: line["message"].startswith("Kafka (KAFKA_BROKERS, "), 20)
        assert gateway.get("/health").json()["services"]["kafka"] == "unhealthy"
        relay.open()
        assert len(kafka.reader.wait(20, 30)) == 20
        gateway.wait_line(lambda line: "events flow, through " in line["message"])
        until(lambda: gateway.get("/health").json()["services"]["kafka"] == "healthy", 15, "kafka to be healthy")


@pytest.mark.conformance("S2")
@pytest.mark.parametrize("client", ["pykafka", "confluent"])
def test_a_reload_loses_no_event(start_gateway: StartGateway, issuer: Issuer, client: str) -> None:
    with MockKafka() as kafka:
        gateway = start_gateway({"KAFKA_BROKERS": kafka.brokers, "KAFKA_CLIENT": client}, workers=2)
        before = gateway.workers()
        for number in range(100):
            sign_out(gateway, issuer)
            if number == 30:
                gateway.signal(signal.SIGHUP)
        until(lambda: not set(before) & set(gateway.workers()), 40, "the old workers to end")
        sign_out(gateway, issuer)
        assert len(kafka.reader.wait(101)) == 101
        assert not [line for line in gateway.lines() if "were not sent" in line["message"]]


@pytest.mark.conformance("S1")
@pytest.mark.parametrize("client", ["pykafka", "confluent"])
def test_the_queue_is_emptied_before_the_end(start_gateway: StartGateway, issuer: Issuer, client: str) -> None:
    with MockKafka() as kafka:
        gateway = start_gateway({"KAFKA_BROKERS": kafka.brokers, "KAFKA_CLIENT": client}, workers=2)
        for _ in range(30):
            sign_out(gateway, issuer)
        gateway.signal(signal.SIGTERM)
        assert gateway.wait(STOP_SECONDS) == 0
        assert len(kafka.reader.wait(30)) == 30
        assert not [line for line in gateway.lines() if "were not sent" in line["message"]]
