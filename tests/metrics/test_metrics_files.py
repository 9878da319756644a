"""The files of the metrics have their room from the start: a full file system ends no worker."""

import resource
import struct
from pathlib import Path

import pytest
from harness.gateway import ROOMY, StartGateway
from harness.limits import soft_limit
from harness.metrics import counted, metrics_folder, scrape

from gateway.metrics_files import ENDED, SPARE_BYTES, has_room, take_room

pytestmark = pytest.mark.conformance("L8")


def is_allocated(path: Path) -> bool:
    """Whether no part of it is a hole."""
    found = path.stat()
    return found.st_size > 0 and found.st_blocks * 512 >= found.st_size


def test_all_room_is_taken_at_once(tmp_path: Path) -> None:
    take_room(tmp_path, 1)
    take_room(tmp_path, ENDED)
    kinds = {"counter", "histogram"}
    expected = {f"{kind}_{ENDED}.db" for kind in kinds} | {
        f"{kind}_1.db" for kind in kinds | {"gauge_livesum", "gauge_max"}
    }
    assert {file.name for file in tmp_path.iterdir()} == expected
    assert all(map(is_allocated, tmp_path.iterdir()))


def test_without_room_nothing_is_left(tmp_path: Path) -> None:
    with soft_limit(resource.RLIMIT_FSIZE, 1 << 19), pytest.raises(OSError, match="too large"):
        take_room(tmp_path, 1)
    assert not list(tmp_path.iterdir())


def test_a_file_is_extended_before_it_is_full(tmp_path: Path) -> None:
    take_room(tmp_path, 1)
    file = tmp_path / "histogram_1.db"
    size = file.stat().st_size
    assert has_room(file) and file.stat().st_size == size
    with file.open("r+b") as begin:
        begin.write(struct.pack("i", size - SPARE_BYTES + 1))
    with soft_limit(resource.RLIMIT_FSIZE, size):
        assert not has_room(file)
    assert has_room(file)
    assert file.stat().st_size == 2 * size and is_allocated(file)


def test_a_file_that_is_gone_has_no_room(tmp_path: Path) -> None:
    assert not has_room(tmp_path / "counter_1.db")


def test_the_gateways_files_have_no_holes(start_gateway: StartGateway) -> None:
    gateway = start_gateway(ROOMY, workers=2)
    counted(gateway, lambda now: now.value("http_requests_total", method="GET", route="/health/live", status="200") > 0)
    files = list(metrics_folder(gateway).glob("*.db"))
    assert len(files) == 2 + 2 * 4
    assert all(map(is_allocated, files))
    assert scrape(gateway).value("metrics_unshared") == 0


def test_counters_without_room_are_reported(start_gateway: StartGateway) -> None:
    """Two workers that each count by themselves."""
    shared = start_gateway(ROOMY, workers=2)
    assert scrape(shared).value("rate_limits_unshared") == 0
    alone = start_gateway(ROOMY, workers=2, app="harness.no_room:app")
    counted(alone, lambda now: now.value("rate_limits_unshared") == 2)
    assert any("each worker counts separately" in line["message"] for line in alone.lines())
