"""The number of connections that a worker can serve with the available descriptors."""

from __future__ import annotations

import logging
import os
import resource

log = logging.getLogger("gateway.worker")

SPARE = 128
"""Descriptors for Redis, Kafka, Loki, collectors, Keycloak and files, in addition to those open at the start."""


def room(wanted: int) -> int:
    """The number of simultaneous client connections, at most `wanted`; each may need another one, to a service.

    The soft limit of descriptors (`RLIMIT_NOFILE`) is raised as needed, up to the hard limit. If that is not enough,
    there are fewer connections, and a log line says so.
    """
    used = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else SPARE
    fixed = used + SPARE
    limit = _raised(2 * wanted + fixed)
    if limit >= 2 * wanted + fixed:
        return wanted
    found = max(1, (limit - fixed) // 2)
    log.warning(
        "Connections: at most %d at once for each worker, not %d: it may have %d descriptors open, %d would do"
        " (ulimit -Hn, LimitNOFILE of systemd)",
        found, wanted, limit, 2 * wanted + fixed,
    )  # fmt: skip
    return found


def _raised(needed: int) -> int:
    """The soft limit, after it was raised to `needed` if possible."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited or soft >= needed:
        return needed
    possible = needed if hard == unlimited else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
    return possible
