"""A worker that stops: kept connections lose nothing, streams get their time, and what is cut is said."""

import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self

import pytest
from harness import http
from harness.collector import Collector
from harness.gateway import ROOMY, Gateway, StartGateway
from harness.service import Received, Service
from harness.waiting import until

from gateway.check import STOPPING_SECONDS
from gateway.worker.places import Waiting
from gateway.worker.worker import CLOSE_SECONDS, MARGIN_SECONDS, WAITING_AT_STOP_SECONDS

pytestmark = pytest.mark.timed

CLIENTS = 8
IN_USE_SECONDS = WAITING_AT_STOP_SECONDS[Waiting.NEXT]
"""For which a connection that was answered, or has just begun, is in use."""


class Kept:
    """Clients that write over kept connections, and never ask twice: what is sent and has no answer is lost.

    They pause up to `pause` seconds between two requests, look whether the connection is still there, and open another
    one where the last answer said `close`, it was closed, or half of the time is over for which it is in use. A request
    that a loaded machine lets out only when all of it is over may be lost.
    """

    def __init__(self, gateway: Gateway, headers: dict[str, str], pause: float) -> None:
        self._gateway, self._headers, self._pause = gateway, headers, pause
        self._done = threading.Event()
        self.good = 0
        self.lost: list[str] = []
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(20)

    def wait_answers(self, count: int) -> None:
        """Until there are so many more."""
        start = self.good
        until(lambda: self.good > start + count, 20, "answers")

    def _run(self, number: int) -> None:
        chance = random.Random(number)
        while not self._done.is_set():
            since = time.monotonic()
            try:
                connection = http.Connection(self._gateway.port, timeout=15)
            except ConnectionRefusedError:
                return  # the port is closed: nothing was sent
            with connection:
                try:
                    self._talk(connection, chance, since)
                except Exception as error:
                    self.lost.append(repr(error))

    def _talk(self, connection: http.Connection, chance: random.Random, since: float) -> None:
        """`since`: when the connection was begun; then, when the last request went, since the gateway counts from its
        answer on, which may have lain here for long."""
        while time.monotonic() - since < IN_USE_SECONDS / 2 and not self._done.is_set() and not connection.closed(0):
            begun, since = since, time.monotonic()
            with suppress(ConnectionError):  # what `receive` tells of
                connection.request("POST", "/interviews", self._headers, b"{}")
            in_time = time.monotonic() - begun < IN_USE_SECONDS
            try:
                answer = connection.receive()
            except ConnectionError:
                if in_time:
                    raise
                return
            assert answer.status == 200, answer.body
            self.good += 1
            time.sleep(chance.uniform(0, self._pause))
            if (answer.header("Connection") or "").lower() == "close":
                return


def wait_gone(gateway: Gateway, workers: set[int]) -> None:
    until(lambda: not workers & set(gateway.workers()), 30, "the old workers' end")


@pytest.mark.conformance("S2")
@pytest.mark.parametrize("pause", [0.001, 0.1], ids=["busy", "with pauses"])
def test_a_reload_loses_nothing_on_kept_connections(
    start_gateway: StartGateway, bearer: dict[str, str], pause: float
) -> None:
    gateway = start_gateway({**ROOMY, "LOG_LEVEL": "warn"}, workers=2)
    with Kept(gateway, bearer, pause) as kept:
        for _ in range(2):
            before = set(gateway.workers())
            gateway.signal(signal.SIGHUP)
            wait_gone(gateway, before)
            kept.wait_answers(50)
    assert kept.lost == []


@pytest.mark.conformance("S2")
def test_recycling_loses_nothing_on_kept_connections(start_gateway: StartGateway, bearer: dict[str, str]) -> None:
    gateway = start_gateway({**ROOMY, "LOG_LEVEL": "warn", "GUNICORN_CMD_ARGS": "--max-requests 100"}, workers=2)
    seen: set[int] = set()

    def many_came() -> bool:
        seen.update(gateway.workers())
        return len(seen) >= 5

    with Kept(gateway, bearer, 0.05) as kept:
        until(many_came, 60, "recycled workers")
    assert kept.lost == []


@pytest.mark.conformance("S1")
def test_sigterm_loses_nothing_on_kept_connections(start_gateway: StartGateway, bearer: dict[str, str]) -> None:
    gateway = start_gateway({**ROOMY, "LOG_LEVEL": "warn"})
    with Kept(gateway, bearer, 0.05) as kept:
        kept.wait_answers(50)
        gateway.signal(signal.SIGTERM)
        assert gateway.wait(15) == 0
    # Who connects while the port is closed may be reset before anything was sent on.
    assert [loss for loss in kept.lost if "ConnectionResetError(104" not in loss] == []


@pytest.mark.conformance("S1")
def test_a_connection_that_was_told_to_be_kept_is_kept(
    start_gateway: StartGateway, media: Service, bearer: dict[str, str]
) -> None:
    """The worker is told to stop between the head of an answer and its end: the client's next request is answered."""
    gateway = start_gateway({**ROOMY, "LOG_LEVEL": "info"})
    over = threading.Event()

    def answer(received: Received, conn: socket.socket) -> None:
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
        assert over.wait(20)
        conn.sendall(b"b")

    media.answer = answer
    with http.Connection(gateway.port, timeout=15) as connection:
        connection.request("GET", "/media/a", bearer)
        first = connection.receive_head()
        assert first.header("Connection") == "keep-alive"
        gateway.signal(signal.SIGTERM)
        until(lambda: refused(gateway), 10, "the closed port")
        over.set()
        assert b"".join(connection.pieces(first)) == b"ab"
        connection.request("POST", "/interviews", bearer, b"{}")
        second = connection.receive()
        assert (second.status, second.header("Connection")) == (200, "close")
    assert gateway.wait(15) == 0


def refused(gateway: Gateway) -> bool:
    try:
        http.Connection(gateway.port).close()
    except ConnectionRefusedError:
        return True
    return False


@contextmanager
def open_stream(gateway: Gateway, media: Service, bearer: dict[str, str], path: str) -> Iterator[http.Connection]:
    """A stream of the media service's that goes on until the test ends."""
    over = threading.Event()

    def answer(received: Received, conn: socket.socket) -> bool:
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not over.wait(0.1):
            conn.sendall(b"3\r\n:\n\n\r\n")
        return True

    media.answer = answer
    try:
        with http.Connection(gateway.port, timeout=20) as connection:
            connection.request("GET", path, bearer)
            assert connection.receive_head().status == 200
            yield connection
    finally:
        over.set()


@pytest.mark.conformance("S2")
def test_a_reload_gives_streams_their_time_and_says_what_is_cut(
    start_gateway: StartGateway, media: Service, bearer: dict[str, str]
) -> None:
    gateway = start_gateway({**ROOMY, "DRAIN_TIMEOUT": "3"})
    before = gateway.workers()
    with open_stream(gateway, media, bearer, "/media/cut") as stream:
        gateway.signal(signal.SIGHUP)
        begun = time.monotonic()
        until(lambda: set(gateway.workers()) - set(before), 10, "the new worker")
        until(lambda: gateway.get("/health/ready").status == 200, 15, "the new worker, ready")
        assert stream.closed(20)
        assert time.monotonic() - begun >= 3
    line = gateway.access_line("/media/cut")
    assert (line["statusCode"], line["cut"]) == (200, True)
    wait_gone(gateway, set(before))


@pytest.mark.conformance("S1")
def test_a_request_whose_answer_has_not_begun_is_told_and_said(
    start_gateway: StartGateway, users: Service, bearer: dict[str, str]
) -> None:
    over = threading.Event()
    users.answer = lambda received, conn: not over.wait(20)
    with Collector() as collector:
        env = {**ROOMY, **collector.env, "DRAIN_TIMEOUT": "1", "OTEL_TRACES_SAMPLER": "always_off"}
        gateway = start_gateway(env)
        with http.Connection(gateway.port, timeout=20) as connection:
            connection.request("GET", "/users/me", bearer)
            until(lambda: users.requests)
            gateway.signal(signal.SIGTERM)
            answer = connection.receive()
            assert (answer.status, answer.json()["statusCode"]) == (503, 503)
            assert gateway.wait(1 + STOPPING_SECONDS + 2) == 0
            over.set()
        line = gateway.wait_line(lambda line: line["message"] == "HTTP: cut 503")
        assert (line["cut"], line["url"], line["upstream"]) == (True, "/users/me", "user-service")
        assert line["traceId"] == answer.json()["traceId"]
        call, server = sorted(collector.wait(line["traceId"], 2), key=lambda span: span.kind)
        assert (server.attributes["http.response.status_code"], server.failed) == (503, True)
        assert "http.response.status_code" not in call.attributes and call.failed


def test_whole_answers_are_not_called_cut(gateway: Gateway, bearer: dict[str, str]) -> None:
    assert gateway.get("/users/me", headers=bearer).status == 200
    assert "cut" not in gateway.access_line("/users/me")


def test_a_client_that_leaves_a_download_cuts_it(gateway: Gateway, media: Service, bearer: dict[str, str]) -> None:
    with open_stream(gateway, media, bearer, "/media/left"):
        pass
    assert gateway.access_line("/media/left")["cut"] is True


def test_the_arbiter_waits_as_long_as_a_worker_takes() -> None:
    assert STOPPING_SECONDS == CLOSE_SECONDS + MARGIN_SECONDS
