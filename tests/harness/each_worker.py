"""A connection to each worker, so that a test can ask every one of them."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from harness.gateway import Gateway
from harness.http import Connection


@contextmanager
def each_worker(gateway: Gateway, *, timeout: float = 20) -> Iterator[dict[int, Connection]]:
    """Worker pid to an open connection that it serves: the others stand still while it accepts."""
    with ExitStack() as stack:
        yield {pid: stack.enter_context(connected(gateway, pid, timeout)) for pid in gateway.workers()}


def connected(gateway: Gateway, pid: int, timeout: float = 20) -> Connection:
    others = [other for other in gateway.workers() if other != pid]
    try:
        for other in others:
            os.kill(other, signal.SIGSTOP)
        for other in others:
            while state(other) not in "TZ":
                pass
        connection = Connection(gateway.port, timeout=timeout)
        connection.request("GET", "/health/live")
        assert connection.receive().status == 200
    finally:
        for other in others:
            with suppress(ProcessLookupError):
                os.kill(other, signal.SIGCONT)
    return connection


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
