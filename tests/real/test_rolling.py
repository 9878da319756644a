"""Two gateways behind Debian's nginx with the configuration of deploy/nginx, under load: restarted one after the other,
reloaded at once, one of them frozen; and what nginx does with long streams, uploads and many connections."""

import os
import signal
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import http, replies
from harness.gateway import ROOMY, Gateway
from harness.issuer import Issuer
from harness.nginx import Nginx, Public
from harness.ports import free_port
from harness.service import Service
from harness.traffic import Traffic
from harness.waiting import until

PATHS = {"GET": "/users/me", "POST": "/interviews"}
READ_TIMEOUT = 10
"""Seconds of nginx's patience with a frozen gateway here; the shipped 65 are compared with the settings elsewhere."""

SHORTER = {"gateway-proxy.conf": {"proxy_read_timeout 65s;": f"proxy_read_timeout {READ_TIMEOUT}s;"}}


@dataclass(frozen=True)
class Pair:
    """Two gateways, and before them nginx as it is shipped, and one with less patience."""

    gateways: tuple[Gateway, Gateway]
    nginx: Nginx
    impatient: Nginx
    bearer: dict[str, str]

    @property
    def public(self) -> Public:
        return Public(self.nginx, "localhost")

    @contextmanager
    def under_load(self, public: Public | None = None) -> Iterator[Traffic]:
        traffic = Traffic(public or self.public, self.bearer, PATHS)
        with traffic.flowing():
            until(lambda: min(traffic.answered["GET"], traffic.answered["POST"]) > 50, 20, "load")
            yield traffic
            so_far = traffic.answered.copy()
            until(
                lambda: all(traffic.answered[method] > so_far[method] + 50 for method in PATHS), 20, "load at the end"
            )


@pytest.fixture(scope="module")
def pair(issuer: Issuer, services: Mapping[str, Service], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    settings = {**ROOMY, "TRUSTED_PROXIES": "127.0.0.1", "LOG_LEVEL": "info"}
    urls = {name: service.url for name, service in services.items()}
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(Gateway(settings, issuer=issuer, services=urls, cwd=folder, ready=True)) for _ in "12"
        )
        ports = one.port, other.port
        shipped, impatient = (
            stack.enter_context(Nginx(made(folder / name), free_port(), ports, snippets))
            for name, snippets in (("shipped", {}), ("impatient", SHORTER))
        )
        token = issuer.mint({"exp": int(time.time()) + 3600})
        yield Pair((one, other), shipped, impatient, {"Authorization": f"Bearer {token}"})


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.conformance("S1", "S2")
def test_a_rolling_restart_loses_no_request(pair: Pair) -> None:
    """Restarted as soon as the other one is ready: within the ten seconds for which nginx leaves that one out."""
    with pair.under_load() as traffic:
        for gateway in pair.gateways:
            gateway.restart()
    assert not traffic.lost, (len(traffic.lost), traffic.lost[:5], traffic.answered)


@pytest.mark.conformance("S2")
def test_a_reload_of_both_at_once_loses_no_request(pair: Pair) -> None:
    with pair.under_load() as traffic:
        before = [set(gateway.workers()) for gateway in pair.gateways]
        for gateway in pair.gateways:
            gateway.signal(signal.SIGHUP)
        for gateway, old in zip(pair.gateways, before, strict=True):
            until(lambda: not old & set(gateway.workers()), 60, "new workers")
    assert not traffic.lost, (len(traffic.lost), traffic.lost[:5], traffic.answered)


def test_a_frozen_gateway_loses_no_get_and_is_left_out(pair: Pair) -> None:
    """Its kernel still takes connections. What was given to it waits for the time-out: a GET then goes to the other, a
    POST may have been done and is not sent again. From then on each ten seconds one request tries it."""
    frozen = pair.gateways[0]
    pids = [frozen.pid, *frozen.workers()]
    with pair.under_load(Public(pair.impatient, "localhost")) as traffic:
        send(pids, signal.SIGSTOP)
        try:
            so_far = pair.impatient.errors.count("upstream timed out")
            until(
                lambda: pair.impatient.errors.count("upstream timed out") >= so_far + 3,
                6 * READ_TIMEOUT,
                "nginx to leave it out",
            )
            served = traffic.answered["GET"]
            until(lambda: traffic.answered["GET"] > served + 200, 60, "the other to serve all")
        finally:
            send(pids, signal.SIGCONT)
    assert not traffic.lost_of("GET"), traffic.lost_of("GET")[:5]
    assert len(traffic.lost) <= 8 and all(" 504 " in line for line in traffic.lost), traffic.lost[:9]


def send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)


@pytest.mark.conformance("P12")
def test_an_upload_of_a_gigabyte_passes_without_a_copy_on_disk(pair: Pair, services: Mapping[str, Service]) -> None:
    piece = bytes(1 << 20)
    before = [gateway.rss() for gateway in pair.gateways]
    answer = pair.public.get(
        "/media/big", headers=pair.bearer, method="PUT", body=(piece for _ in range(1024)), timeout=120
    )
    assert answer.status == 200 and answer.json()["bodyLength"] == 1 << 30
    grown = [now - then for now, then in zip([gateway.rss() for gateway in pair.gateways], before, strict=True)]
    assert max(grown) < 40 << 20
    assert "buffered to a temporary file" not in pair.nginx.errors


def test_metrics_are_closed_however_they_are_spelt(pair: Pair) -> None:
    assert pair.gateways[0].get("/metrics/").status == 200, "open to a neighbour that asks the gateway itself"
    for path in ("/metrics", "/metrics/", "//metrics", "/%6detrics", "/x/../metrics", "/metrics?a=b", "/./metrics/"):
        answer = pair.public.get(path)
        assert answer.status in (400, 404) and b"http_requests_total" not in answer.body, path
    below = Public(pair.nginx, "127.0.0.1", "/api")
    for path in ("/metrics", "/metrics/", "//metrics", "/%6detrics", "/x/../metrics", "/../api/metrics"):
        answer = below.get(path)
        assert answer.status in (400, 404) and b"http_requests_total" not in answer.body, path


def test_a_client_speaks_http_2_and_old_tls_is_refused(pair: Pair) -> None:
    context = ssl.create_default_context(cafile=str(pair.nginx.certificate))
    context.set_alpn_protocols(["h2", "http/1.1"])
    with http.Connection(pair.nginx.port) as connection:
        connection.socket = context.wrap_socket(connection.socket, server_hostname="localhost")
        assert connection.socket.selected_alpn_protocol() == "h2"


def test_connections_of_one_address_are_bounded(pair: Pair, services: Mapping[str, Service]) -> None:
    """250 under way at once; the gateways have a bound of their own, which is not nginx's affair."""
    services["users"].answer = replies.chunked(pieces=[b"a"] * 2, pause=3)
    with ExitStack() as stack:
        held = [stack.enter_context(pair.public.connect(30)) for _ in range(260)]
        for connection in held:
            connection.request("GET", "/users/me", [("Host", pair.public.host), *pair.bearer.items()])
        statuses = [connection.receive().status for connection in held]
    assert statuses.count(429) >= 10 and statuses.count(200) >= 200


@pytest.mark.conformance("S1", "P12")
def test_a_drain_lets_an_upload_and_a_stream_finish(pair: Pair, services: Mapping[str, Service]) -> None:
    """Both gateways are stopped while they carry one of each. The last test here: they stay away."""
    pieces = [b"data: %d\n\n" % number for number in range(12)]
    events = [("Content-Type", "text/event-stream")]
    services["interviews"].answer = replies.chunked(headers=events, pieces=pieces, pause=0.25)
    host, public = ("Host", pair.public.host), pair.public
    with public.connect(30) as stream, public.connect(30) as upload:
        stream.request("GET", "/interviews/events", [host, ("Accept", "text/event-stream"), *pair.bearer.items()])
        answer = stream.receive_head()
        received = stream.pieces(answer)
        assert next(received) == pieces[0]
        upload.send(http.head("POST", "/media/up", [host, *pair.bearer.items()], []) + http.chunk(bytes(1 << 20)))
        until(lambda: any(one.length for one in services["media"].requests), 5, "the upload to arrive")
        for gateway in pair.gateways:
            gateway.signal(signal.SIGTERM)
        assert list(received) == pieces[1:]
        upload.send(http.chunk(bytes(1 << 20)) + b"0\r\n\r\n")
        assert upload.receive(method="POST").json()["bodyLength"] == 2 << 20
    for gateway in pair.gateways:
        assert gateway.wait(60) == 0
