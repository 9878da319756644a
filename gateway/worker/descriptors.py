"""How many connections a worker can serve with the descriptors that there are."""

from __future__ import annotations

import logging
import os
import resource

log = logging.getLogger("gateway.worker")

SPARE = 128
"""Descriptors for Redis, Kafka, Loki, collectors, Keycloak and files, beside those that are open at the start."""


def room(wanted: int) -> int:
    """How many client connections there can be at once, at most `wanted`; each may need another one, to a service.

    The soft limit of descriptors (`RLIMIT_NOFILE`) is raised as far as that needs and the hard one allows. Where it
    does not do, there are fewer connections, and one line says so.
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
    """The soft limit, after it was raised to `needed` as far as that goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited or soft >= needed:
        return needed
    possible = needed if hard == unlimited else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
    return possible
