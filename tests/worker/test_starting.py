"""A worker that has only just been forked."""

import os
import signal
from pathlib import Path

import pytest
from harness.gateway import Gateway, StartGateway, alive
from harness.waiting import until

FORKS = 10


def next_worker(gateway: Gateway, before: set[int]) -> int:
    """The pid of the master's next child, looked for without a pause: its first moments count."""
    children = Path(f"/proc/{gateway.pid}/task/{gateway.pid}/children")
    while not (new := set(map(int, children.read_text().split())) - before):
        assert gateway.process.poll() is None, gateway.raw_output()
    return new.pop()


@pytest.mark.conformance("S1")
def test_no_signal_is_lost_in_a_fork(start_gateway: StartGateway) -> None:
    """Not even one that arrives while the worker still has the master's handlers."""
    gateway = start_gateway()
    (worker,) = gateway.workers()
    before = {worker}
    os.kill(worker, signal.SIGKILL)
    for _ in range(FORKS):
        worker = next_worker(gateway, before)
        os.kill(worker, signal.SIGTERM)
        before.add(worker)
        until(lambda: not before & set(alive(gateway.pid)), 5, "the worker's end")
