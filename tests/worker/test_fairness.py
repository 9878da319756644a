"""What one client sends keeps nobody from their turn."""

import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import gevent
import pytest
from harness import http
from harness.certificate import self_signed
from harness.gateway import ROOMY, Gateway, StartGateway
from harness.hog import KINDS, LIVE, hog
from harness.issuer import Issuer
from harness.ports import free_port
from harness.repository import ROOT
from harness.service import Received, Service
from harness.waiting import until

from gateway.worker.turns import QUICK, SLICE_SECONDS, Turns

pytestmark = pytest.mark.timed

SECONDS = 1.5
PATIENCE = 0.5
"""Five times what L6 of docs/conformance.md says, in seconds: the machine is not idle, the hog and the tests run on
it."""


@pytest.fixture(scope="module")
def gateway(
    issuer: Issuer, services: dict[str, Service], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """One worker that is ended when it gives no sign for 4 seconds."""
    env = {**ROOMY, "GUNICORN_CMD_ARGS": "--timeout 4", "LOG_LEVEL": "info"}
    urls = {name: service.url for name, service in services.items()}
    with Gateway(env, issuer=issuer, services=urls, cwd=tmp_path_factory.mktemp("fair")) as running:
        yield running


def endless(received: Received, conn: socket.socket) -> bool:
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n\r\n")
    with suppress(OSError):
        while True:
            conn.sendall(bytes(1 << 16))
    return True


def waits(gateway: Gateway, seconds: float) -> list[float]:
    """How long a polite client waits for its answers, longest last: one request each 20 ms on a kept connection."""
    taken = []
    end = time.monotonic() + seconds
    with http.Connection(gateway.port, timeout=10) as connection:
        while time.monotonic() < end:
            begun = time.monotonic()
            connection.request("GET", "/health/live")
            assert connection.receive().status == 200
            taken.append(time.monotonic() - begun)
            time.sleep(0.02)
    return sorted(taken)


@pytest.mark.conformance("L6")
@pytest.mark.parametrize("kind", KINDS)
def test_a_polite_client_is_served_in_time(gateway: Gateway, media: Service, issuer: Issuer, kind: str) -> None:
    media.answer = endless
    before = gateway.workers()
    with hog(kind, gateway.port, issuer.mint(sub="hog")):
        time.sleep(0.2)
        taken = waits(gateway, SECONDS)
    assert taken[len(taken) * 9 // 10] < PATIENCE
    assert gateway.workers() == before


@pytest.mark.conformance("L6")
def test_new_clients_are_served_in_time(gateway: Gateway, issuer: Issuer) -> None:
    with hog("busy", gateway.port, issuer.mint(sub="hog")):
        taken = []
        for _ in range(30):
            begun = time.monotonic()
            assert gateway.get("/health/live").status == 200
            taken.append(time.monotonic() - begun)
    assert sorted(taken)[27] < PATIENCE


@pytest.mark.conformance("L6")
def test_under_tls_that_the_gateway_ends(start_gateway: StartGateway, tmp_path: Path) -> None:
    """What TLS has read already is no event of the socket: all requests of one record are served all the same."""
    certificate, key = self_signed(tmp_path)
    port = free_port()
    own = f"--certfile {certificate} --keyfile {key} --bind 127.0.0.1:{port}"
    plain = start_gateway(ROOMY)  # its port is where the harness looks
    with plain, TlsGateway(plain, port, own) as client:
        client.sendall(LIVE * 200)
        answers = b""
        while answers.count(b"HTTP/1.1 200") < 200:
            answers += client.recv(65536)


class TlsGateway:
    """A gateway whose listener speaks TLS, with the settings of another; entered, it is one client's connection."""

    def __init__(self, like: Gateway, port: int, arguments: str) -> None:
        env = {**like.env, "PORT": str(port), "GUNICORN_CMD_ARGS": arguments}
        self.port = port
        command = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "gunicorn.conf.py"), "wsgi:app"]
        self.process = subprocess.Popen(
            command, cwd=like.cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def __enter__(self) -> ssl.SSLSocket:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

        def connected() -> ssl.SSLSocket | None:
            try:
                return context.wrap_socket(socket.create_connection(("127.0.0.1", self.port), 10))
            except OSError:
                return None

        self.client = until(connected, 20, "the gateway with TLS")
        return self.client

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait(40)


def burn(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_who_is_always_ready_stands_in_line() -> None:
    """Of twenty that are always ready a slice's worth is served between two looks at the sockets."""
    turns = Turns()
    served: list[int] = []
    stop: list[bool] = []

    def always_ready() -> None:
        while not stop:
            turns.give()
            burn(SLICE_SECONDS / 4)
            served.append(turns.looks)

    greedy = [gevent.spawn(always_ready) for _ in range(20)]
    gevent.sleep(SLICE_SECONDS * 20)
    stop.append(True)
    gevent.joinall(greedy)
    while_busy = served[:-20]
    assert max(while_busy.count(look) for look in set(while_busy)) <= 6


def test_who_was_slow_does_not_stand_in_line() -> None:
    """However long the line is; and where nobody used the slice up nobody stands in it."""
    turns = Turns()
    order: list[str] = []

    def stand() -> None:
        turns.give()
        order.append("in line")

    greedy = [gevent.spawn(stand) for _ in range(3)]
    gevent.sleep(0)
    turns.take(turns.looks - QUICK - 1)
    order.append("slow")
    turns.take(turns.looks)
    order.append("quick")
    burn(SLICE_SECONDS * 1.5)
    turns.take(turns.looks)
    order.append("quick again")
    gevent.joinall(greedy)
    assert order == ["slow", "quick", "in line", "in line", "in line", "quick again"]


def test_who_ends_in_line_is_left_out() -> None:
    turns = Turns()
    first, second = (gevent.spawn(turns.give) for _ in range(2))
    gevent.sleep(0)
    first.kill()
    second.join(1)
    assert second.successful()
