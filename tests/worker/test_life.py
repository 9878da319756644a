"""Stopping, reloading and dying workers, as a client sees them."""

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from harness import http, replies
from harness.gateway import Gateway, StartGateway
from harness.load import Load
from harness.service import Received, Service
from harness.waiting import until

pytestmark = pytest.mark.timed

STOP = 15
MIB = 1 << 20


@contextmanager
def held(users: Service) -> Iterator[threading.Event]:
    """The users service answers only once the event is set."""
    release = threading.Event()

    def answer(received: Received, conn: socket.socket) -> None:
        release.wait(20)
        replies.sized(200, body=b"late")(received, conn)

    users.answer = answer
    try:
        yield release
    finally:
        release.set()


@pytest.mark.conformance("S1")
def test_sigterm_closes_idle_connections_at_once(start_gateway: StartGateway, bearer: dict[str, str]) -> None:
    gateway = start_gateway()
    idlers = [http.Connection(gateway.port) for _ in range(10)]
    try:
        for idler in idlers[:8]:
            idler.request("GET", "/users/me", bearer)
            assert idler.receive().status == 200
        start = time.monotonic()
        gateway.signal(signal.SIGTERM)
        assert all(idler.closed(3) for idler in idlers[:8])
        assert time.monotonic() - start < 4
        assert gateway.wait(STOP) == 0
        assert time.monotonic() - start < STOP
    finally:
        for idler in idlers:
            idler.close()


@pytest.mark.conformance("S1")
@pytest.mark.parametrize("answered", [False, True], ids=["first requests", "later ones"])
def test_sigterm_is_not_held_by_heads_that_do_not_end(start_gateway: StartGateway, answered: bool) -> None:
    gateway = start_gateway()
    with ExitStack() as stack:
        clients = [stack.enter_context(http.Connection(gateway.port)) for _ in range(20)]
        for client in clients:
            if answered:
                client.request("GET", "/health/live")
                assert client.receive().status == 200
            client.send(b"GET /users/me HTTP/1.1\r\nHost:")
        time.sleep(0.3)
        start = time.monotonic()
        gateway.signal(signal.SIGTERM)
        assert gateway.wait(STOP) == 0
        assert time.monotonic() - start < STOP


@pytest.mark.conformance("S1")
def test_sigterm_lets_a_head_that_has_begun_end(start_gateway: StartGateway, bearer: dict[str, str]) -> None:
    """Also on a connection that has waited long for it."""
    gateway = start_gateway()
    with http.Connection(gateway.port) as connection:
        connection.request("GET", "/health/live")
        assert connection.receive().status == 200
        time.sleep(3.5)
        head = http.head("GET", "/users/me", bearer)
        connection.send(head[:20])
        time.sleep(0.2)
        gateway.signal(signal.SIGTERM)
        time.sleep(1)
        connection.send(head[20:])
        assert connection.receive().status == 200
    assert gateway.wait(STOP) == 0


@pytest.mark.conformance("S1")
def test_sigterm_waits_for_a_request_in_flight(
    start_gateway: StartGateway, users: Service, bearer: dict[str, str]
) -> None:
    gateway = start_gateway()
    with held(users) as release, http.Connection(gateway.port, timeout=15) as connection:
        connection.request("GET", "/users/me", bearer)
        until(lambda: users.requests)
        gateway.signal(signal.SIGTERM)
        time.sleep(1)
        assert gateway.process.poll() is None
        release.set()
        answer = connection.receive()
        assert (answer.status, answer.body) == (200, b"late")
        assert (answer.header("Connection") or "").lower() == "close"
        assert connection.closed(2)
    assert gateway.wait(STOP) == 0


@pytest.mark.conformance("S1")
def test_sigterm_lets_a_download_and_an_upload_finish(
    start_gateway: StartGateway, media: Service, bearer: dict[str, str]
) -> None:
    gateway = start_gateway()
    slow = replies.chunked(pieces=[b"a"] * 20, pause=0.1)
    media.answer = replies.per_path({b"/media/down": slow})
    with http.Connection(gateway.port) as down, http.Connection(gateway.port) as up:
        down.request("GET", "/media/down", bearer)
        answer = down.receive_head()
        up.send(http.head("POST", "/media/up", bearer, []) + http.chunk(bytes(MIB)))
        until(lambda: any(received.length for received in media.requests))
        gateway.signal(signal.SIGTERM)
        assert b"".join(down.pieces(answer)) == b"a" * 20
        up.send(http.chunk(b" world") + b"0\r\n\r\n")
        assert up.receive().json()["bodyLength"] == MIB + 6
    assert gateway.wait(STOP) == 0


@pytest.mark.conformance("S1")
@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_under_load_fails_no_request(start_gateway: StartGateway, bearer: dict[str, str], workers: int) -> None:
    """Whoever was accepted is answered; later ones are refused, as the port is closed."""
    gateway = start_gateway(workers=workers)
    with Load(gateway, bearer) as load:
        until(lambda: load.good > 50)
        gateway.signal(signal.SIGTERM)
        assert gateway.wait(STOP) == 0
    # The kernel resets what it establishes between the last accept and the close, before any byte of an answer.
    reset = "NoAnswerError(\"the connection was reset after b''"
    refused = ("ConnectionRefusedError", "ConnectionResetError(104", reset)
    assert [failure for failure in load.failures if not failure.startswith(refused)] == []


@pytest.mark.conformance("S1")
@pytest.mark.parametrize("after", [0, 0.1, 0.5])
def test_sigterm_while_a_worker_begins(start_gateway: StartGateway, after: float) -> None:
    gateway = start_gateway(workers=2)
    before = gateway.workers()
    os.kill(before[0], signal.SIGKILL)
    until(lambda: set(gateway.workers()) - set(before), 10, "the new worker")
    time.sleep(after)
    gateway.signal(signal.SIGTERM)
    assert gateway.wait(STOP) == 0


def test_nothing_is_said_beside_the_log(start_gateway: StartGateway) -> None:
    """No library warns that gevent came too late, at the start or after a reload."""
    gateway = start_gateway(workers=2)
    before = set(gateway.workers())
    gateway.signal(signal.SIGHUP)
    until(lambda: len(gateway.workers()) == 2 and not before & set(gateway.workers()), 20, "the reload")
    assert gateway.stderr == ""


@pytest.mark.conformance("S2")
@pytest.mark.parametrize("workers", [1, 2])
def test_sighup_under_load_fails_no_request(start_gateway: StartGateway, bearer: dict[str, str], workers: int) -> None:
    gateway = start_gateway(workers=workers)
    with Load(gateway, bearer) as load:
        for _ in range(workers):
            before, good = set(gateway.workers()), load.good
            gateway.signal(signal.SIGHUP)
            until(lambda: not before & set(gateway.workers()), 15, "the old workers' end")
            until(lambda: len(gateway.workers()) == workers, 10, "new workers")
            until(lambda: load.good > good + 20, 10, "answers")
    assert load.failures == []


@pytest.mark.conformance("S2")
def test_recycling_under_load_fails_no_request(start_gateway: StartGateway, bearer: dict[str, str]) -> None:
    gateway = start_gateway({"GUNICORN_CMD_ARGS": "--max-requests 150"}, workers=2)
    seen = set(gateway.workers())
    with Load(gateway, bearer) as load:

        def recycled() -> bool:
            seen.update(gateway.workers())
            return len(seen) >= 4

        until(recycled, 30, "recycled workers")
        good = load.good
        until(lambda: load.good > good + 20, 10, "answers")
    assert load.failures == []


@pytest.mark.conformance("S2")
def test_sighup_reads_the_settings_again(start_gateway: StartGateway, bearer: dict[str, str]) -> None:
    gateway = start_gateway()

    def status() -> int:
        return gateway.get("/users/me", headers=bearer, method="PUT", body=b"twelve bytes").status

    assert status() == 200
    (gateway.cwd / ".env").write_text("MAX_BODY_BYTES=11\n")
    gateway.signal(signal.SIGHUP)
    until(lambda: status() == 413, 15, "the new limit")


@pytest.mark.conformance("S2")
def test_sighup_with_a_broken_configuration_leaves_the_workers(
    start_gateway: StartGateway, bearer: dict[str, str]
) -> None:
    gateway = start_gateway()
    before = gateway.workers()
    (gateway.cwd / ".env").write_text("PROXY_READ_TIMEOUT=soon\nTRUSTED_PROXIES=nowhere\n")
    with Load(gateway, bearer) as load:
        gateway.signal(signal.SIGHUP)
        until(lambda: {"PROXY_READ_TIMEOUT", "TRUSTED_PROXIES"} <= named(gateway), 10, "the problems")
        good = load.good
        until(lambda: load.good > good + 20)
    assert load.failures == []
    assert gateway.workers() == before
    (gateway.cwd / ".env").write_text("")
    gateway.signal(signal.SIGHUP)
    until(lambda: gateway.workers() and not set(before) & set(gateway.workers()), 15, "new workers")
    until(lambda: gateway.get("/users/me", headers=bearer).status == 200)


def named(gateway: Gateway) -> set[str]:
    return set(re.findall(r"[A-Z]+(?:_[A-Z]+)+", gateway.raw_output()))


def test_a_killed_worker_is_replaced_and_the_others_serve_on(
    start_gateway: StartGateway, users: Service, bearer: dict[str, str]
) -> None:
    gateway = start_gateway(workers=2)
    first = until(lambda: len(gateway.workers()) == 2 and gateway.workers(), 10)[0]
    for _ in range(30):
        assert gateway.get("/users/me", headers=bearer).status == 200
    os.kill(first, signal.SIGKILL)
    until(lambda: first not in gateway.workers(), 5)
    for _ in range(30):
        assert gateway.get("/users/me", headers=bearer).status == 200
    until(lambda: len(gateway.workers()) == 2, 10, "the new worker")
