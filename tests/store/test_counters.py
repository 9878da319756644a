"""Counters that the processes of a machine share: exact, bounded, on a clock that nobody sets, through every fault."""

import fcntl
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import gevent
import pytest
from harness.limits import soft_limit
from harness.repository import ROOT
from harness.store import SECRET, StoreProcess
from harness.waiting import until

from gateway.store import Store
from gateway.store.counter_files import CounterFiles, remove_left_behind
from gateway.store.counter_table import STRIPES, CounterTable
from gateway.store.counters import MachineCounters
from gateway.store.stripe import SETS, STRIPE_BYTES, WAYS

HOLDER = """
import fcntl, os, pathlib, sys
files = [os.open(file, os.O_RDWR) for file in pathlib.Path(sys.argv[1]).glob("counters.*")]
for file in files:
    fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


class Clock:
    """Monotonic seconds that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    made = tmp_path / "place"
    made.mkdir()
    return made


@pytest.fixture
def opened(clock: Clock) -> Iterator[Callable[..., MachineCounters]]:
    """Counters of a deployment in these places, closed after the test."""
    made: list[MachineCounters] = []

    def open_in(*places: Path, deployment: str = "tests") -> MachineCounters:
        made.append(MachineCounters(deployment, places, clock))
        made[-1].open()
        return made[-1]

    yield open_in
    for counters in made:
        counters.close()


def name(number: int) -> bytes:
    return number.to_bytes(16, "big")[::-1]


def same_set(number: int) -> bytes:
    """One of the names that share a set."""
    return b"\0\0\0" + number.to_bytes(13, "big")


def tables_in(place: Path) -> list[Path]:
    return sorted(file for folder in place.iterdir() for file in folder.glob("counters.*"))


# --- windows


@pytest.mark.conformance("L10")
def test_a_window_begins_with_its_first_count_and_has_its_length(clock: Clock) -> None:
    table = CounterTable.of_this_process(clock)
    assert table.count(name(1), 1, 60) == (1, 60)
    clock.now += 59
    assert table.count(name(1), 2, 60) == (3, 1)
    assert table.read(name(1)) == (3, 1) and table.read(name(2)) == (0, 0)
    clock.now += 1
    assert table.read(name(1)) == (0, 0)
    assert table.count(name(1), 1, 60) == (1, 60)
    table.clear(name(1))
    assert table.count(name(1), 1, 60) == (1, 60)


@pytest.mark.conformance("L10")
def test_a_window_of_another_boots_clock_does_not_count(clock: Clock) -> None:
    """What is left of one is more than it could have."""
    table = CounterTable.of_this_process(clock)
    clock.now = 900_000.0
    table.count(name(1), 5, 60)
    clock.now = 10.0
    assert table.count(name(1), 1, 60) == (1, 60)


def test_of_two_windows_of_a_name_the_fuller_is_kept(clock: Clock) -> None:
    table = CounterTable.of_this_process(clock)
    table.note(name(1), 5, clock.now + 30)
    table.note(name(1), 3, clock.now + 50)
    assert table.read(name(1)) == (5, 30)
    table.note(name(1), 9, clock.now + 10)
    assert table.count(name(1), 1, 60) == (10, 10)
    table.note(name(1), 100, clock.now - 1)
    assert table.read(name(1)) == (10, 10), "one that has ended tells nothing"


def test_a_full_set_gives_up_what_has_ended_then_what_ends_first(clock: Clock) -> None:
    table = CounterTable.of_this_process(clock)
    for number in range(WAYS):
        table.count(same_set(number), 1, 100 + number)
    table.count(same_set(0), 1, 100)
    assert table.count(same_set(99), 1, 500) == (1, 500)
    counts = [table.read(same_set(number))[0] for number in range(WAYS)]
    assert counts == [0] + [1] * (WAYS - 1)
    clock.now += 110
    table.count(same_set(100), 1, 500)
    assert table.read(same_set(99))[0] == 1


def test_many_names_take_no_more_memory_and_few_are_lost(clock: Clock) -> None:
    table = CounterTable.of_this_process(clock)
    names = [os.urandom(16) for _ in range(60_000)]
    for each in names:
        table.count(each, 1, 60)
    assert sum(table.read(each)[0] for each in names) > 59_900
    for _ in range(20_000):
        table.count(b"\0\0\0" + os.urandom(13), 1, 60)
    assert table.count(os.urandom(16), 1, 60) == (1, 60)
    assert SETS * STRIPES * WAYS == 262_144


# --- processes


@pytest.mark.conformance("L10")
@pytest.mark.parametrize("processes", [1, 4])
def test_processes_count_together_exactly(tmp_path: Path, processes: int) -> None:
    each, keys = 3000 // processes, ["one", "two"]
    with ExitStack() as stack:
        everyone = [stack.enter_context(StoreProcess(tmp_path)) for _ in range(processes)]
        for process in everyone:
            process.send("counts", each, keys, 1, 600)
        seen = [process.receive() for process in everyone]
        for key in keys:
            assert sorted(count for counts in seen for count in counts[key]) == list(range(1, each * processes + 1))


@pytest.mark.conformance("L10", "S3")
def test_a_killed_process_leaves_its_counts_and_no_lock(tmp_path: Path) -> None:
    """Killed at any moment, ten times; what it counted counts on."""
    with StoreProcess(tmp_path) as lasting:
        least = 0
        for _ in range(10):
            with StoreProcess(tmp_path) as dying:
                dying.send("counts", 1_000_000, ["key"], 1, 600)
                until(partial(has_counted, lasting, least + 50), 10, "counts of the other")
                dying.kill()
            before = lasting.ask("counted", "key")[0]
            count, _ = lasting.ask("count", "key", 1, 600)
            assert count == before + 1 > least and lasting.took < 0.04, "it did not wait"
            least = count


@pytest.mark.conformance("L10")
def test_a_process_killed_in_the_lock_frees_it(tmp_path: Path) -> None:
    with StoreProcess(tmp_path) as process:
        process.ask("count", "key", 1, 600)
        with holder(tmp_path) as held:
            held.kill()
            held.wait()
        assert process.ask("count", "key", 1, 600)[0] == 2
        assert process.took < 0.04


@pytest.mark.conformance("L10")
def test_a_process_stopped_in_the_lock_stops_nobody(tmp_path: Path) -> None:
    """Whoever wants the lock lets other greenlets run, gives up soon, and does not try at every request."""
    with StoreProcess(tmp_path) as process:
        process.ask("count", "key", 1, 600)
        with holder(tmp_path) as held:
            held.send_signal(signal.SIGSTOP)
            assert process.ask("count", "key", 1, 600)[0] == 2
            assert process.took < 0.5
            assert process.ask("counts", 100, ["key"], 1, 600)["key"] == list(range(3, 103))
            assert process.took < 0.5
            assert process.ask("lag", 5, "count", "another", 1, 600) < 0.04
            held.kill()
        assert process.ask("count", "key", 1, 600)[0] == 103


def has_counted(process: StoreProcess, least: int) -> bool:
    return bool(process.ask("counted", "key")[0] > least)


def holder(directory: Path) -> subprocess.Popen[str]:
    """A process that has all locks; its end frees them."""
    (folder,) = directory.iterdir()
    command = [sys.executable, "-c", HOLDER, str(folder)]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert started.stdout is not None and started.stdout.readline() == "held\n"
    return started


# --- places


@pytest.mark.conformance("L10")
def test_deployments_share_nothing(opened: Callable[..., MachineCounters], place: Path) -> None:
    one, same, other = opened(place), opened(place), opened(place, deployment="another")
    assert [one.table.count(name(1), 1, 60)[0], same.table.count(name(1), 1, 60)[0]] == [1, 2]
    assert other.table.count(name(1), 1, 60)[0] == 1


@pytest.mark.conformance("L10")
def test_no_room_is_the_next_place_then_each_process_alone(
    opened: Callable[..., MachineCounters], place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with soft_limit(resource.RLIMIT_FSIZE, 4096):
        alone = opened(place, place.parent / "missing")
        counts = [alone.table.count(name(1), 1, 60)[0] for _ in range(3)]
        alone.look_after()
    assert counts == [1, 2, 3], "never without a limit"
    (line,) = caplog.messages
    assert "each worker counts separately" in line and "File too large" in line and "missing (No such file" in line


@pytest.mark.conformance("L10")
def test_the_next_place_is_used_and_left_when_the_first_is_there(
    opened: Callable[..., MachineCounters], tmp_path: Path, place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    best = tmp_path / "best"
    one, other = opened(best, place), opened(best, place)
    assert [one.table.count(name(1), 1, 60)[0], other.table.count(name(1), 1, 60)[0]] == [1, 2]
    assert all(f"counters are kept in {place}" in line and str(best) in line for line in caplog.messages)
    best.mkdir()
    for counters in (one, other):
        counters.look_after()
    assert [one.table.count(name(1), 1, 60)[0], other.table.count(name(1), 1, 60)[0]] == [3, 4], (
        "what was counted stays"
    )
    assert len(caplog.messages) == 4 and all(f"in {best} again" in line for line in caplog.messages[2:])


@pytest.mark.conformance("L10")
def test_files_that_were_removed_are_made_again_with_what_was_counted(
    opened: Callable[..., MachineCounters], place: Path
) -> None:
    one, other = opened(place), opened(place)
    one.table.count(name(1), 7, 60)
    for file in tables_in(place):
        file.unlink()
    assert other.table.count(name(1), 1, 60)[0] == 8, "the memory is still there"
    for counters in (one, other):
        counters.look_after()
    assert len(tables_in(place)) == STRIPES
    assert [one.table.count(name(1), 1, 60)[0], other.table.count(name(1), 1, 60)[0]] == [9, 10]


@pytest.mark.conformance("L10")
def test_all_room_is_taken_before_the_first_count(opened: Callable[..., MachineCounters], place: Path) -> None:
    """A place that fills up later ends nobody who counts there (SIGBUS), nor keeps another process from opening it."""
    first = opened(place)
    assert all(file.stat().st_blocks * 512 >= STRIPE_BYTES for file in tables_in(place))
    with soft_limit(resource.RLIMIT_FSIZE, 4096):
        second = opened(place)
        for number in range(5000):
            first.table.count(os.urandom(16), 1, 60 + number)
        counts = [each.table.count(name(1), 1, 60)[0] for each in (first, second)]
    assert counts == [1, 2]


# --- reload, restart


@pytest.mark.conformance("L10")
def test_counts_outlive_every_worker_while_their_master_lives(tmp_path: Path) -> None:
    """A reload of one worker may have a moment without any."""
    for number in range(3):
        with StoreProcess(tmp_path) as worker:
            assert worker.ask("count", "key", 1, 600)[0] == number + 1


@pytest.mark.conformance("L10")
def test_what_an_earlier_deployment_left_is_begun_anew(tmp_path: Path, clock: Clock) -> None:
    """Nobody has it open, and whose workers did is gone: another run, or another boot."""
    files = CounterFiles(tmp_path, clock)
    files.table.count(name(1), 5, 60)
    files.close()
    again = CounterFiles(tmp_path, clock)
    assert again.table.read(name(1))[0] == 5
    again.close()
    (tmp_path / "master").write_bytes(b"%d 1 another-boot" % os.getppid())
    anew = CounterFiles(tmp_path, clock)
    assert anew.table.read(name(1))[0] == 0
    (tmp_path / "master").write_bytes(b"1 1 another-master")
    beside = CounterFiles(tmp_path, clock)
    anew.table.count(name(1), 1, 60)
    assert beside.table.read(name(1))[0] == 1, "somebody has it open: a second master of the deployment (USR2)"
    anew.close()
    beside.close()


def test_tables_that_nobody_uses_are_removed(place: Path, opened: Callable[..., MachineCounters]) -> None:
    used, left, alive = opened(place), opened(place, deployment="left"), opened(place, deployment="alive")
    folders = {folder.name.rpartition("-")[2]: folder for folder in place.iterdir()}
    for name_of in ("tests", "left"):
        (folders[name_of] / "master").write_bytes(b"1 1 another-boot")
    left.close()
    alive.close()
    for beside in ("other", "opening"):
        (place / f"api-gateway-{os.geteuid()}-{beside}").mkdir()
    (place / f"api-gateway-{os.geteuid()}-opening" / "master").touch()
    remove_left_behind(place)
    assert sorted(folder.name.rpartition("-")[2] for folder in place.iterdir()) == [
        "alive", "opening", "other", "tests",
    ]  # fmt: skip
    assert used.table.count(name(1), 1, 60)[0] == 1 and len(tables_in(place)) == 2 * STRIPES


def test_a_lock_that_is_not_given_back_at_start_is_not_waited_for_long(place: Path, clock: Clock) -> None:
    file = os.open(place / "master", os.O_RDWR | os.O_CREAT)
    fcntl.flock(file, fcntl.LOCK_EX)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        CounterFiles(place, clock)
    assert time.monotonic() - began < 5
    os.close(file)


# --- in the store


@pytest.mark.conformance("L10", "R1")
def test_a_store_counts_in_shared_memory_and_tells_nothing_there(tmp_path: Path) -> None:
    """Where a store is given no directory of its own."""
    command = [
        sys.executable, "-W", "error", "-c",
        "import time; from gateway.store import Store\n"
        f"s = Store({SECRET!r}, 'tests'); s.start(); print(s.count('MARK-key', 3, 60)[0], flush=True); input()\n"
        "s.close(time.monotonic() + 1)",
    ]  # fmt: skip
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None and one.stdout.readline() == "3\n"
        opened = {os.readlink(f"/proc/{one.pid}/fd/{number}") for number in os.listdir(f"/proc/{one.pid}/fd")}
        files = [Path(file) for file in opened if "/counters." in file]
        assert len(files) == STRIPES and all(
            str(file).startswith(f"/dev/shm/api-gateway-{os.geteuid()}-") for file in files
        )
        assert all(b"MARK" not in file.read_bytes() for file in files)
        assert all(
            file.stat().st_mode & 0o777 == 0o600 and file.parent.stat().st_mode & 0o777 == 0o700 for file in files
        )
        one.communicate("\n")
    shutil.rmtree(files[0].parent)


def test_the_store_looks_after_its_counters(tmp_path: Path) -> None:
    store = Store(SECRET, "tests", directory=tmp_path, sweep_seconds=0.05)
    store.start()
    store.count("key", 1, 60)
    for file in tables_in(tmp_path):
        with suppress(FileNotFoundError):
            file.unlink()
    gevent.sleep(0.3)
    assert len(tables_in(tmp_path)) == STRIPES
    assert store.count("key", 1, 60)[0] == 2
    store.close(time.monotonic() + 1)
    assert store.count("key", 1, 60)[0] == 1, "a closed one counts by itself"
