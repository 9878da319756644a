"""Connections to one origin: to whichever address takes them, and let go when they are of no more use."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import gevent
import pytest
from harness import replies
from harness.ports import free_port
from harness.service import Service
from requests import PreparedRequest
from requests.structures import CaseInsensitiveDict

from gateway.transport import Adapter, ConnectError, ConnectTimedOut, Resolver, Timeouts, tls_context
from gateway.transport.origin import Origin

pytestmark = pytest.mark.timed

TIMES = Timeouts(2.0, 2.0, 4.0)


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    """An address whose queue of unaccepted connections is full, so that a connect hangs."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield full.getsockname()


def origin_of(*addresses: tuple[str, int]) -> Origin:
    """Of a name that has these addresses."""

    def lookup(host: str, port: int) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]

    return Origin(("http", "service.test", 80), ssl.create_default_context(), Resolver(lookup))


@pytest.mark.conformance("F9")
@pytest.mark.parametrize("first", ["silent", "refusing"])
def test_the_second_address_is_tried_within_the_connect_timeout(
    users: Service, silent: tuple[str, int], first: str
) -> None:
    bad = silent if first == "silent" else ("127.0.0.1", free_port())
    origin = origin_of(bad, ("127.0.0.1", users.port))
    took = []
    for _ in range(3):
        began = time.monotonic()
        connection = origin.connection(2.0)
        took.append(time.monotonic() - began)
        assert connection.sock.getpeername() == ("127.0.0.1", users.port)
        origin.drop(connection)
    assert took[0] < 1.5
    assert max(took[1:]) < 0.2, "the one that worked is tried first"


@pytest.mark.conformance("F9")
def test_addresses_that_are_all_bad_are_a_fault_in_time(silent: tuple[str, int]) -> None:
    began = time.monotonic()
    with pytest.raises(ConnectTimedOut):
        origin_of(silent, silent).connection(1.0)
    assert time.monotonic() - began < 2.5
    refusing = ("127.0.0.1", free_port()), ("127.0.0.1", free_port())
    with pytest.raises(ConnectError, match="refused"):
        origin_of(*refusing).connection(1.0)


@pytest.mark.conformance("F11")
def test_a_connection_tells_of_a_peer_that_vanished(users: Service) -> None:
    origin = origin_of(("127.0.0.1", users.port))
    connection = origin.connection(2.0)
    sock = connection.sock
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    idle, every, probes = (
        sock.getsockopt(socket.IPPROTO_TCP, option)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    )
    assert idle + every * probes <= 60
    assert 0 < sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 60_000
    origin.drop(connection)


@pytest.fixture
def adapter() -> Iterator[Adapter]:
    running = Adapter(tls_context(None), TIMES)
    yield running
    running.close()


def ask(adapter: Adapter, service: Service) -> bytes:
    request = PreparedRequest()
    request.method, request.url, request.headers = "GET", f"{service.url}/a", CaseInsensitiveDict()
    response = adapter.call(request, TIMES)
    body = response.read()
    response.close()
    return body


def idle(adapter: Adapter) -> int:
    return sum(len(origin._idle) for origin in adapter._origins.values())


@pytest.mark.conformance("F6")
def test_connections_that_the_peer_has_closed_are_let_go_within_a_second(users: Service, adapter: Adapter) -> None:
    users.answer = replies.sized(200, body=b"a")
    assert ask(adapter, users) == b"a"
    assert idle(adapter) == 1
    users.hang_up()
    gevent.sleep(1.0)
    assert idle(adapter) == 0


@pytest.mark.conformance("F6")
@pytest.mark.parametrize(
    ("said", "kept"),
    [("timeout=2", False), ("max=5, timeout=2", False), ("timeout=5, max=100", True), ("timeout=x", True), ("", True)],
)
def test_a_services_keep_alive_shortens_a_connections_life(
    users: Service, adapter: Adapter, said: str, kept: bool
) -> None:
    users.answer = replies.sized(200, [("Keep-Alive", said)], b"a")
    ask(adapter, users)
    assert idle(adapter) == 1
    gevent.sleep(1.5)
    assert idle(adapter) == kept
