"""Ports that stay free while their server is down."""

import os
import random
import socket
from collections import deque
from pathlib import Path

# Of several processes that test at once (pytest-xdist: gw0, gw1, ...) each has ports of its own.
PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PROCESSES = 8

CLAIMS = 64
"""So many of the last ports are nobody else's: a gateway takes seconds until it binds its own."""

_claims: deque[int] = deque()

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A free port below the range the kernel takes for outgoing connections, claimed for this process.

    A port of that range could be taken by any outgoing connection while the server that owns it is stopped,
    and a connection to it could even be answered by itself.
    """
    first = int(EPHEMERAL.read_text().split()[0]) if EPHEMERAL.exists() else 32768
    below = min(first, 32768)
    for port in random.sample(range(below - 12000 + PROCESS % PROCESSES, below, PROCESSES), 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                _claim(port)
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")


def _claim(port: int) -> None:
    """Keep it from other suites that run on this machine, by a name of the abstract namespace (unix(7)), which goes
    with its process. OSError where another one has it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as claim:
        claim.bind(f"\0gateway-tests-port-{port}")
        _claims.append(claim.detach())
    if len(_claims) > CLAIMS:
        os.close(_claims.popleft())
