"""New connections are spread over the workers."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest
from harness import http
from harness.gateway import ROOMY, Gateway, StartGateway
from harness.waiting import until

from gateway.worker.shares import STALE_SHARE_SECONDS, Shares

ESTABLISHED = "01"


def connections(gateway: Gateway) -> list[int]:
    """How many of its clients each worker has."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table][1:]
    ours = {row[9] for row in rows if row[1].endswith(f":{gateway.port:04X}") and row[3] == ESTABLISHED}
    return [len(ours & sockets(pid)) for pid in gateway.workers()]


def sockets(pid: int) -> set[str]:
    """The sockets of a process, by their inodes."""
    links = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir() if entry.is_symlink()]
    return {link[8:-1] for link in links if link.startswith("socket:[")}


@pytest.mark.parametrize("workers", [2, 4])
def test_each_worker_takes_its_share(start_gateway: StartGateway, workers: int) -> None:
    """However the system wakes them: 64 connections at once, none of which asks for anything yet."""
    gateway = start_gateway(ROOMY, workers=workers)
    with ExitStack() as stack:
        until(lambda: len([line for line in gateway.lines() if "keys read" in line["message"]]) == workers, 20, "all")
        clients = [stack.enter_context(http.Connection(gateway.port)) for _ in range(64)]
        until(lambda: sum(connections(gateway)) == 64, 10, "all connections")
        share = 64 // workers
        assert all(share / 2 <= count <= share * 3 / 2 for count in connections(gateway)), connections(gateway)
        for client in clients:
            client.request("GET", "/health/live")
            assert client.receive().status == 200


def test_who_has_fewer_is_known() -> None:
    first, second = Shares(1), Shares(2)
    try:
        first.publish(3)
        second.publish(5)
        assert second.others_have_fewer(5)
        assert not first.others_have_fewer(3)
        first.leave()
        assert not second.others_have_fewer(5)
    finally:
        first.leave()
        second.leave()


def test_who_is_not_heard_of_does_not_count() -> None:
    """A worker that was killed leaves its count behind."""
    first, second = Shares(1), Shares(2)
    try:
        first.publish(0)
        assert second.others_have_fewer(1)
        until(lambda: not second.others_have_fewer(1), STALE_SHARE_SECONDS + 2, "its count to be stale")
    finally:
        first.leave()
