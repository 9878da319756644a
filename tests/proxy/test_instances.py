"""Several instances: the least busy is asked, one that hangs or refuses is left out, never all of them."""

import itertools
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import http, replies
from harness.gateway import StartGateway
from harness.issuer import Issuer
from harness.metrics import scrape
from harness.service import Received, Service

from bench.instances import simulate
from gateway import errors
from gateway.proxy.breaker import EJECTED_SECONDS_MOST, FAILURES, OPEN_SECONDS
from gateway.proxy.instances import Instance, Instances


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def some(count: int) -> tuple[Instances, Clock]:
    clock = Clock()
    return Instances([f"http://{number}" for number in range(count)], clock), clock


def test_the_least_busy_is_asked() -> None:
    instances, _ = some(3)
    first, second, third = instances.all
    first.in_flight, second.in_flight, third.in_flight = 2, 1, 3
    assert {instances.choose() for _ in range(10)} == {second}
    second.in_flight = 2
    assert {instances.choose() for _ in range(10)} == {first, second}


def test_of_many_two_are_drawn() -> None:
    instances, _ = some(50)
    instances.all[7].in_flight = 100
    chosen = {instances.choose() for _ in range(500)}
    assert len(chosen) > 30 and instances.all[7] not in chosen


def test_one_that_is_silent_is_left_out_for_a_growing_while_and_tried_by_one_call() -> None:
    instances, clock = some(2)
    bad, good = instances.all
    bad.breaker.failed()
    waits = []
    for _ in range(7):
        assert {instances.choose() for _ in range(20)} == {good}
        began = clock.now
        good.in_flight = 1
        tries: list[Instance] = []
        while bad not in tries:
            clock.now += 0.5
            tries = [instances.choose() for _ in range(5)]
        waits.append(clock.now - began)
        assert tries.count(bad) == 1
        bad.breaker.failed()
        good.in_flight = 0
    assert waits == sorted(waits) and waits[0] <= OPEN_SECONDS + 1 < waits[2]
    assert waits[-1] <= EJECTED_SECONDS_MOST + 1
    clock.now += EJECTED_SECONDS_MOST
    bad.breaker.succeeded()
    assert {instances.choose() for _ in range(20)} == {bad, good}


def test_never_all_are_left_out_before_all_breakers_are_open() -> None:
    instances, clock = some(3)
    for one in instances.all:
        one.breaker.failed()
    assert {instances.choose() for _ in range(30)} == set(instances.all)
    for one, _ in itertools.product(instances.all, range(FAILURES)):
        one.breaker.failed()
    with pytest.raises(errors.ServiceUnavailable):
        instances.choose()
    clock.now += OPEN_SECONDS
    assert instances.choose() in instances.all


@pytest.mark.conformance("F10")
@pytest.mark.parametrize("idempotent", [True, False], ids=["GET", "POST"])
def test_of_two_instances_one_hangs_for_ten_minutes(idempotent: bool) -> None:
    outcome = simulate(idempotent=idempotent)
    assert outcome.calls >= 29_000
    assert outcome.answered_share >= 0.995


@pytest.mark.conformance("F10")
def test_of_two_real_instances_one_hangs(start_gateway: StartGateway, users: Service, issuer: Issuer) -> None:
    release = threading.Event()

    def hang(received: Received, conn: socket.socket) -> bool:
        release.wait(30)
        return True

    with Service() as stuck:
        stuck.answer = hang
        users.answer = replies.slow(0.02, replies.sized(200, body=b"ok"))
        gateway = start_gateway({"PROXY_READ_TIMEOUT": "1"}, services={"users": f"{stuck.url},{users.url}"})
        tokens = [issuer.mint(sub=f"user-{number}") for number in range(8)]
        statuses: list[int] = []

        def client(token: str) -> None:
            end = time.monotonic() + 8
            with http.Connection(gateway.port, timeout=15) as connection:
                while time.monotonic() < end:
                    connection.request("GET", "/users/me", {"Authorization": f"Bearer {token}"})
                    statuses.append(connection.receive().status)

        try:
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(client, tokens))
        finally:
            release.set()
        assert len(statuses) > 200
        assert statuses.count(200) >= 0.995 * len(statuses)
        assert len(stuck.requests) < 0.1 * len(statuses)
        instance = users.url.removeprefix("http://")
        counted = scrape(gateway).value(
            "service_responses_total", service="user-service", instance=instance, status="200"
        )
        assert counted >= statuses.count(200) * 0.9
