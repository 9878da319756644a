"""Connections and descriptors: who waits keeps nobody out; and who vanished is noticed."""

import resource
from contextlib import ExitStack
from pathlib import Path

import pytest
from harness import http
from harness.gateway import ROOMY, StartGateway
from harness.limits import soft_limit
from harness.waiting import until

from gateway.worker.descriptors import SPARE, room

FEW = "harness.few_descriptors:app"
TAKE_ALL = "/take-all"
"""What that app takes all descriptors for."""
LIVE = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"


def limits(pid: int) -> tuple[int, int]:
    """The soft and the hard limit of a process's descriptors."""
    line = next(line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if "open files" in line)
    soft, hard = line.split()[3:5]
    return int(soft), int(hard)


@pytest.mark.conformance("L7")
def test_the_soft_limit_is_raised(start_gateway: StartGateway) -> None:
    with soft_limit(resource.RLIMIT_NOFILE, 256):
        gateway = start_gateway(ROOMY)
    assert limits(gateway.pid)[0] == 256
    assert limits(gateway.workers()[0])[0] >= 2 * 2000
    assert not [line for line in gateway.lines() if "Connections:" in str(line.get("message"))]


@pytest.mark.conformance("L7")
@pytest.mark.parametrize("says", [LIVE, LIVE[:12], b""], ids=["answered", "heads", "silent"])
def test_connections_that_wait_keep_nobody_out(
    start_gateway: StartGateway, bearer: dict[str, str], says: bytes
) -> None:
    """With few descriptors, and more idle connections than they would do for."""
    gateway = start_gateway({**ROOMY, "LIMIT": "240"}, app=FEW)
    reported = gateway.wait_line(lambda line: str(line["message"]).startswith("Connections: at most"))
    assert reported["level"] == "warn" and "240" in reported["message"]
    with ExitStack() as stack:
        for number in range(300):
            idle = stack.enter_context(http.Connection(gateway.port, timeout=10))
            idle.send(says)
            if number % 50 == 49:
                assert gateway.get("/users/me", headers=bearer).status == 200
        for _ in range(5):
            assert gateway.get("/users/me", headers=bearer).status == 200
    assert gateway.stderr == ""


@pytest.mark.conformance("L7")
def test_without_a_descriptor_it_neither_spins_nor_gives_up(start_gateway: StartGateway) -> None:
    """Lines and no tracebacks; when there are descriptors again it goes on."""
    gateway = start_gateway({**ROOMY, "LIMIT": "240"}, app=FEW)
    assert gateway.get(TAKE_ALL).status == 404
    with http.Connection(gateway.port, timeout=20) as first, http.Connection(gateway.port, timeout=20) as second:
        first.request("GET", "/health/live")
        gateway.wait_line(lambda line: "no connection can be accepted" in str(line["message"]), 10)
        said = [line for line in gateway.lines() if "no connection can be accepted" in str(line["message"])]
        assert len(said) == 1
        second.request("GET", "/health/live")
        assert first.receive().status == second.receive().status == 200
    assert gateway.stderr == ""


def test_room_for_what_is_wanted() -> None:
    """Each connection may need another one to a service; beyond that is what is open, and some to spare."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        assert room(100) == 100
        assert room(hard) < (hard - SPARE) // 2
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


KEEP_ALIVE_TIMER = "02"


def timers(port: int, peer: int) -> list[str]:
    """The timer of the server's side of a connection: which, and in how many seconds."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table][1:]
    ends = f":{port:04X}", f":{peer:04X}"
    return [row[5] for row in rows if row[1].endswith(ends[0]) and row[2].endswith(ends[1])]


@pytest.mark.conformance("L3")
def test_a_client_that_vanished_is_looked_for(start_gateway: StartGateway) -> None:
    """By the system: it asks after 30 seconds of silence, whatever the connection waits for."""
    gateway = start_gateway(ROOMY)
    with http.Connection(gateway.port) as connection:
        connection.request("GET", "/health/live")
        assert connection.receive().status == 200
        peer = connection.socket.getsockname()[1]

        def asked_in() -> float | None:
            for kind, _, left in (timer.partition(":") for timer in timers(gateway.port, peer)):
                if kind == KEEP_ALIVE_TIMER:
                    return int(left, 16) / 100
            return None

        assert 10 < (until(asked_in, 5, "the timer") or 0) <= 30
