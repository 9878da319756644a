"""The suite's own rules, and the fixtures: one issuer and one of each service for all, a gateway per module."""

import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from harness.collector import Collector
from harness.gateway import SERVICE_SETTINGS, Gateway, StartGateway, processes
from harness.gateways import GatewayFactory
from harness.issuer import Issuer
from harness.provider import Scripted
from harness.service import Service
from harness.waiting import until
from hypothesis import HealthCheck, settings

from demo.identity import Provider, running_provider

HARNESS_THREADS = ("harness", "service")
RUNNERS_THREADS = frozenset(threading.enumerate())
"""The main one, and those of pytest-xdist in a process that it has begun."""
LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1|::ffff:127(\.\d+){3}|")


def refuse_the_world(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: a test that would reach beyond this machine fails where it tries."""
    if event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host is not None and not LOOPBACK.fullmatch(host):
        raise AssertionError(f"a test reached for {host}: only the loopback is allowed")


def ends_already(number: int, _: object) -> None:
    """Handles each further SIGTERM; SIG_IGN would be inherited by what is started after the first."""


def ends_in_order(number: int, _: object) -> None:
    """Handles SIGTERM: what fixtures have started ends before the run does. Gateways are in sessions of their own.

    No Exception, which Hypothesis and the harness would catch. It holds for one process: pytest-xdist's controller
    kills its workers after 10 seconds.
    """
    signal.signal(number, ends_already)
    raise KeyboardInterrupt


def pytest_configure(config: pytest.Config) -> None:
    sys.addaudithook(refuse_the_world)
    signal.signal(signal.SIGTERM, ends_in_order)
    # The same examples in every run, however slow the machine is.
    settings.register_profile(
        "gateway", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("gateway")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """After the last fixture, also of a run that was interrupted: what is left running makes the run fail."""
    if signal.getsignal(signal.SIGTERM) is ends_already:
        session.exitstatus = 128 + signal.SIGTERM
    if session.config.getoption("numprocesses", None) and not hasattr(session.config, "workerinput"):
        return  # it only hands the tests out
    leaked = [thread for thread in threading.enumerate() if thread not in RUNNERS_THREADS]
    for thread in leaked:
        thread.join(2)
    left = [f"thread {thread.name!r}" for thread in leaked if thread.is_alive()]
    left += [f"process {pid}" for pid, parent, state in processes() if parent == os.getpid() and state != "Z"]
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        print(f"\nleft behind by the tests: {', '.join(left)}", file=sys.stderr)


def own_threads() -> set[threading.Thread]:
    """Threads that are not the harness's, whose servers live as long as their fixtures."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith(HARNESS_THREADS)}


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = own_threads()
    yield
    until(lambda: own_threads() <= before, 10, f"the test's threads to end: {own_threads() - before}")


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    """Keycloak for all tests; one that breaks it, or changes its keys, makes an Issuer of its own."""
    with Issuer() as running:
        yield running


@pytest.fixture
def token(issuer: Issuer) -> str:
    """A good one."""
    return issuer.mint()


@pytest.fixture
def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="session")
def services() -> Iterator[Mapping[str, Service]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(Service()) for name in SERVICE_SETTINGS}


@pytest.fixture(autouse=True)
def fresh_services(request: pytest.FixtureRequest) -> None:
    """No test sees what an earlier one sent, or the answers it ordered."""
    if "services" in request.fixturenames:
        for service in request.getfixturevalue("services").values():
            service.clear()


@pytest.fixture
def users(services: Mapping[str, Service]) -> Service:
    return services["users"]


@pytest.fixture
def interviews(services: Mapping[str, Service]) -> Service:
    return services["interviews"]


@pytest.fixture
def media(services: Mapping[str, Service]) -> Service:
    return services["media"]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """One for the tests of a module, who tell their traces apart by their ids."""
    with Collector() as running:
        yield running


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """The demo's identity provider."""
    with running_provider() as running:
        yield running


@pytest.fixture(scope="module")
def running_realm() -> Iterator[Scripted]:
    with Scripted() as realm:
        yield realm


@pytest.fixture
def realm(running_realm: Scripted) -> Iterator[Scripted]:
    """A provider whose answers a test can bend; they are straight again after it."""
    yield running_realm
    running_realm.restore()


@pytest.fixture(scope="module")
def make_gateway(
    issuer: Issuer, services: Mapping[str, Service], tmp_path_factory: pytest.TempPathFactory
) -> GatewayFactory:
    """Gateways that end with their `with`: for fixtures."""
    return GatewayFactory(issuer, services, tmp_path_factory.mktemp)


@pytest.fixture(scope="module")
def gateway(make_gateway: GatewayFactory) -> Iterator[Gateway]:
    """One worker, default settings but for the rate limits; all it logged must turn out to be JSON."""
    with make_gateway() as running:
        yield running
    running.lines()


@pytest.fixture
def start_gateway(make_gateway: GatewayFactory) -> Iterator[StartGateway]:
    """Gateways that end with the test; called as `make_gateway`."""
    with ExitStack() as stack:
        yield lambda env=None, **options: stack.enter_context(make_gateway(env, **options))
