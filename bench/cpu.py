"""Processor time and memory of a process group, from /proc; cores, and who runs on which."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.failed import Failed

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """What a process group has used: `seconds` of processor time, `resident` bytes now, what they
    share counted once, by the processes `pids`."""

    seconds: float
    resident: int
    pids: frozenset[int]


def usage(group: int) -> Usage:
    """User and system time of every process of the group, and their resident memory.

    A page that several have is divided among them (Pss in proc(5)): master and worker share a quarter of theirs.
    """
    seconds, resident, pids = 0.0, 0, set()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            # From the third field on (proc(5)): state, parent, group, ...; 14 and 15 are the times.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) != group:
                continue
            memory = (folder / "smaps_rollup").read_text()
        except OSError:
            continue
        pids.add(int(folder.name))
        seconds += (int(fields[11]) + int(fields[12])) / _TICK
        resident += sum(int(line.split()[1]) << 10 for line in memory.splitlines() if line.startswith("Pss:"))
    return Usage(seconds, resident, frozenset(pids))


def cores() -> tuple[set[int], set[int]]:
    """(the candidates' core, the load's cores): apart where there are two or more. Failed where nobody can say."""
    if not hasattr(os, "sched_getaffinity"):
        raise Failed("processor time is read from /proc, which Linux has")
    free = sorted(os.sched_getaffinity(0))
    return {free[0]}, set(free[1:]) or {free[0]}


@contextmanager
def pinned(to: set[int]) -> Iterator[None]:
    """What is started inside runs on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, to)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def machine() -> str:
    """This machine and its Python, in a few words."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
