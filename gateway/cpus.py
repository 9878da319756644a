"""How many CPUs this process may use.

The master imports this module before gevent's patches: it must not import ssl or requests, even indirectly.
"""

from __future__ import annotations

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def usable_cpus(cgroup: Path = CGROUP) -> int:
    """Those of its affinity, or less by the quota of its control group, rounded up; at least 1."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroup)
    return count if quota is None else min(count, max(1, -int(-quota // 1)))


def _quota(cgroup: Path) -> float | None:
    """CPUs by the quota, of version 2 or 1 of control groups; None without one."""
    v1 = cgroup / "cpu"
    for files in ((cgroup / "cpu.max",), (v1 / "cpu.cfs_quota_us", v1 / "cpu.cfs_period_us")):
        try:
            quota, period = " ".join(file.read_text() for file in files).split()
            return int(quota) / int(period) if quota not in ("max", "-1") else None
        except (OSError, ValueError):
            continue
    return None
