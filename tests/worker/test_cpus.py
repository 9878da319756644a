"""The number of workers follows the quota of the control group."""

import os
from pathlib import Path

import pytest

from gateway.cpus import usable_cpus

ALL = len(os.sched_getaffinity(0))
V2, V1 = "cpu.max", ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({}, ALL),
        ({V2: "max 100000\n"}, ALL),
        ({V2: "50000 100000\n"}, 1),
        ({V2: "110000 100000\n"}, min(ALL, 2)),
        ({V2: "100000000 100000\n"}, ALL),
        ({V2: "no number\n"}, ALL),
        ({V1[0]: "-1\n", V1[1]: "100000\n"}, ALL),
        ({V1[0]: "50000\n", V1[1]: "100000\n"}, 1),
        ({V1[0]: "110000\n", V1[1]: "100000\n"}, min(ALL, 2)),
        ({V1[0]: "50000\n"}, ALL),
    ],
)
def test_the_quota_bounds_it(tmp_path: Path, files: dict[str, str], count: int) -> None:
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert usable_cpus(tmp_path) == count
