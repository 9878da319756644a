"""Ports that stay free while their server is down."""

import os
import random
import socket
from pathlib import Path

# Of several processes that test at once (pytest-xdist: gw0, gw1, ...) each has ports of its own.
PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PROCESSES = 8

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A free port below the range the kernel takes for outgoing connections.

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
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")
