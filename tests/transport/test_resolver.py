"""Names: a resolver that hangs holds up its own name alone."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from gateway.transport.faults import ConnectError, ConnectTimedOut
from gateway.transport.resolver import FAILURE_SECONDS, FRESH_SECONDS, STALE_SECONDS, Resolver

pytestmark = pytest.mark.timed

GOOD = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]


class Names:
    """A resolver of the test's own; `hang` names wait until the test ends."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.hangs: set[str] = set()
        self.fails: set[str] = set()
        self.release = threading.Event()
        self.rows: list[tuple[Any, ...]] = GOOD

    def __call__(self, host: str, port: int) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        if host in self.hangs:
            self.release.wait(20)
        if host in self.fails:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return self.rows


@pytest.fixture
def names() -> Iterator[Names]:
    running = Names()
    yield running
    running.release.set()


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.conformance("F9")
@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.1"])
def test_a_numeric_address_asks_nobody(names: Names, address: str) -> None:
    assert Resolver(names).addresses(address, 80, 1.0)[0][1] == (address, 80)
    assert names.asked == []


@pytest.mark.conformance("F9")
def test_a_hanging_name_is_asked_once_and_holds_up_no_other(names: Names) -> None:
    names.hangs = {"stuck"}
    resolver = Resolver(names)
    callers = [gevent.spawn(resolver.addresses, "stuck", 80, 0.5) for _ in range(50)]
    gevent.sleep(0.1)
    began = time.monotonic()
    for number in range(20):
        assert resolver.addresses(f"other-{number}", 80, 5.0)
    assert time.monotonic() - began < 2.0
    gevent.joinall(callers)
    assert all(isinstance(caller.exception, ConnectTimedOut) for caller in callers)
    assert names.asked.count("stuck") == 1
    names.release.set()
    assert resolver.addresses("stuck", 80, 5.0)


def test_an_answer_is_used_for_some_seconds_and_renewed_behind_the_call(names: Names) -> None:
    clock = Clock()
    resolver = Resolver(names, clock)
    for _ in range(3):
        assert resolver.addresses("a", 80, 1.0)[0][1] == ("127.0.0.1", 80)
    assert names.asked == ["a"]
    names.rows = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 80))]
    clock.now += FRESH_SECONDS
    assert resolver.addresses("a", 80, 1.0)[0][1] == ("127.0.0.1", 80)
    while resolver.addresses("a", 80, 1.0)[0][1] != ("127.0.0.2", 80):
        gevent.sleep(0.01)
    assert names.asked == ["a", "a"]


def test_a_known_answer_survives_a_resolver_that_fails_or_hangs_for_a_while(names: Names) -> None:
    clock = Clock()
    resolver = Resolver(names, clock)
    assert resolver.addresses("a", 80, 1.0)
    names.fails = {"a"}
    clock.now += FRESH_SECONDS
    assert resolver.addresses("a", 80, 1.0)
    gevent.sleep(0.1)
    assert resolver.addresses("a", 80, 1.0)
    clock.now += STALE_SECONDS
    with pytest.raises(ConnectError):
        resolver.addresses("a", 80, 1.0)


def test_an_unknown_name_is_asked_for_again(names: Names) -> None:
    clock = Clock()
    resolver = Resolver(names, clock)
    names.fails = {"a"}
    for _ in range(3):
        with pytest.raises(ConnectError, match="not known"):
            resolver.addresses("a", 80, 1.0)
    assert names.asked == ["a"]
    names.fails = set()
    clock.now += FAILURE_SECONDS
    assert resolver.addresses("a", 80, 1.0)


def test_families_take_turns(names: Names) -> None:
    six = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", (f"::{n}", 80, 0, 0)) for n in (1, 2, 3)]
    names.rows = [*six, *GOOD, *GOOD]
    found = [address[1][0] for address in Resolver(names).addresses("a", 80, 1.0)]
    assert found == ["::1", "127.0.0.1", "::2", "::3"]
