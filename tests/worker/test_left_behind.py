"""What a gateway leaves on the machine: nothing that others may read, and nothing of a master that was killed."""

import fcntl
import os
import signal
import stat
from pathlib import Path

import pytest
from harness.gateway import StartGateway
from harness.issuer import Issuer
from harness.metrics import metrics_folder
from harness.waiting import until

from gateway.metrics_files import hold, remove_abandoned


def test_what_it_writes_is_for_its_user_alone(start_gateway: StartGateway, issuer: Issuer) -> None:
    before = os.umask(0)
    try:
        gateway = start_gateway(workers=2)
    finally:
        os.umask(before)
    assert gateway.get("/interviews/1", issuer.mint()).status == 200
    for pid in (gateway.pid, *gateway.workers()):
        status = Path(f"/proc/{pid}/status").read_text()
        assert "\nUmask:\t0077\n" in status
    folders = [metrics_folder(gateway), *Path(gateway.env["TMPDIR"]).iterdir()]
    written = [path for folder in folders for path in (folder, *folder.rglob("*"))]
    assert len(written) > 10
    assert not [path for path in written if stat.S_IMODE(path.stat().st_mode) & 0o077]


def test_the_next_start_removes_what_a_killed_master_left(start_gateway: StartGateway) -> None:
    killed, lives = start_gateway(workers=2), start_gateway()
    left, used = metrics_folder(killed), metrics_folder(lives)
    killed.kill()
    start_gateway()
    assert not left.exists() and used.exists()
    killed.start()
    assert killed.get("/health/live").status == 200


def test_a_worker_that_is_left_keeps_the_folder(tmp_path: Path) -> None:
    """It has the lock from its master."""
    folder = tmp_path / "api-gateway-metrics-1"
    folder.mkdir()
    (folder / "counter_1.db").touch()
    lock = hold(folder)
    inherited = os.dup(lock)
    os.close(lock)
    remove_abandoned(tmp_path)
    assert folder.exists()
    os.close(inherited)
    remove_abandoned(tmp_path)
    assert not folder.exists()


def test_only_a_folder_with_a_lock_is_removed(tmp_path: Path) -> None:
    """One without is an older gateway's; a link leads elsewhere."""
    old, elsewhere = tmp_path / "api-gateway-metrics-old", tmp_path / "elsewhere"
    old.mkdir()
    elsewhere.mkdir()
    (elsewhere / "master").touch()
    (tmp_path / "api-gateway-metrics-link").symlink_to(elsewhere)
    remove_abandoned(tmp_path)
    assert old.exists() and (elsewhere / "master").exists()


def test_two_find_each_other(tmp_path: Path) -> None:
    """A folder that is just looked at by another start can not be held."""
    lock = os.open(tmp_path / "master", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(BlockingIOError):
        hold(tmp_path)
    os.close(lock)
    os.close(hold(tmp_path))


def test_a_reload_leaves_no_descriptor_open(start_gateway: StartGateway) -> None:
    gateway = start_gateway()
    before = len(os.listdir(f"/proc/{gateway.pid}/fd"))
    seen = set(gateway.workers())
    for _ in range(2):
        gateway.signal(signal.SIGHUP)
        until(lambda: len(gateway.workers()) == 1 and not seen & set(gateway.workers()), 20, "a new worker")
        seen.update(gateway.workers())
    until(lambda: len(os.listdir(f"/proc/{gateway.pid}/fd")) == before, 5, "as many descriptors")
