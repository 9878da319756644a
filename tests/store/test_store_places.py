"""Where a store keeps its files when the temporary directory is full, read-only or not there."""

import shutil
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from urllib.parse import urlencode

import pytest
from harness.each_worker import each_worker
from harness.errors import check_refused
from harness.gateway import Gateway, StartGateway
from harness.issuer import CLIENT, Issuer
from harness.store import StoreProcess
from harness.waiting import until

from gateway.store.boot import boot_number
from gateway.store.counters import SHARED_MEMORY
from gateway.store.local import LocalStore


@pytest.fixture
def unusable(tmp_path: Path) -> Iterator[Path]:
    """A directory that nobody can make. What is kept in shared memory in its place is removed."""
    (tmp_path / "file").touch()
    before = set(SHARED_MEMORY.iterdir())
    yield tmp_path / "file" / "tmp"
    for left in set(SHARED_MEMORY.iterdir()) - before:
        if (left / "store.db").exists():
            shutil.rmtree(left)


def levels(process: StoreProcess) -> list[tuple[str, str]]:
    return [(level, text) for level, text in process.ask("lines")]


@pytest.mark.conformance("O10")
def test_without_a_temporary_directory_shared_memory_is_used(unusable: Path) -> None:
    with StoreProcess(None, TMPDIR=str(unusable)) as one, StoreProcess(None, TMPDIR=str(unusable)) as other:
        assert one.ask("add", "state", 60) is True and other.ask("add", "state", 60) is False
        one.ask("end", "sid:abc", 1000.0, time.time() + 60)
        assert other.ask("ended_at", "sid:abc") == 1000.0
        for process in (one, other):
            ((level, text),) = levels(process)
            assert level == "WARNING" and f"not in {unusable} (Not a directory)" in text and "/dev/shm" in text


@pytest.mark.conformance("O10")
def test_without_any_place_each_process_goes_on_and_tries_again(tmp_path: Path) -> None:
    place = tmp_path / "file" / "tmp"
    place.parent.touch()
    with StoreProcess(place) as process:
        assert process.ask("add", "state", 60) is process.ask("add", "state", 60) is True
        process.ask("end", "sid:abc", 1000.0, time.time() + 60)
        assert process.ask("ended_at", "sid:abc") == 1000.0
        assert [level for level, _ in levels(process)] == ["ERROR", "ERROR"], "of the file, of the counters"
        place.parent.unlink()
        place.mkdir(parents=True)
        keys = (f"other {number}" for number in count())  # the file may come between the two of a pair
        until(lambda: [process.ask("add", key, 60) for key in [next(keys)] * 2] == [True, False], 15, "the file")
        with StoreProcess(place) as later:
            assert later.ask("ended_at", "sid:abc") == 1000.0


@pytest.mark.conformance("O8", "O10")
def test_a_session_that_ends_while_the_disk_is_full_is_over_in_every_process(tmp_path: Path) -> None:
    with StoreProcess(tmp_path) as one, StoreProcess(tmp_path) as other:
        one.ask("end", "sid:before", 1000.0, time.time() + 60)
        for process in (one, other):
            process.ask("disk_full", True)
        ends = {"sid:abc": 2000.5, "sid:before": 3000.0, "sub:user": 1e15}
        for session, at in ends.items():
            one.ask("end", session, at, time.time() + 60)
        for process in (one, other):
            assert [process.ask("ended_at", session) for session in ends] == [
                pytest.approx(at, abs=1) for at in ends.values()
            ]
            assert process.ask("ended_at", "sid:other") is None
            assert process.took < 0.1
        assert one.ask("add", "state", 60) is True, "Keycloak refuses a code that was used"
        assert "store.db cannot be used" in levels(one)[0][1]
        with StoreProcess(tmp_path) as later:
            assert later.ask("ended_at", "sid:abc") == pytest.approx(2000.5, abs=1)
        one.ask("disk_full", False)
        until(lambda: rows(tmp_path) == 3, 15, "the ends to be written")
        assert one.ask("add", "state", 60) is True and other.ask("add", "state", 60) is False


@pytest.mark.conformance("L10")
def test_what_is_kept_for_a_while_ends_with_the_boot_and_ends_of_sessions_do_not(tmp_path: Path) -> None:
    """Its life is monotonic time, which means nothing after a boot."""
    with StoreProcess(tmp_path) as process:
        assert process.ask("add", "state", 10_000) is True
        process.ask("end", "sid:abc", 1000.0, time.time() + 60)
    (database,) = tmp_path.glob("*/store.db")
    with closing(sqlite3.connect(database)) as with_hands, with_hands:
        assert with_hands.execute("PRAGMA user_version").fetchone() == (boot_number(),)
        with_hands.execute("PRAGMA user_version = 1")
    with StoreProcess(tmp_path) as process:
        assert process.ask("ended_at", "sid:abc") == 1000.0
        assert process.ask("add", "state", 60) is True


def test_a_better_place_is_moved_to_when_it_is_there(tmp_path: Path) -> None:
    best, next_best = tmp_path / "file" / "best", tmp_path / "next"
    best.parent.touch()
    store = LocalStore("tests", (best, next_best))
    store.open()
    assert list(next_best.glob("*/store.db")) and store.add(b"one", b"", 60) and not store.add(b"one", b"", 60)
    assert store.look_after_files() is False
    best.parent.unlink()
    assert store.look_after_files() is True and store.all_see_it
    assert [file.name for file in best.glob("*/store.db")] == ["store.db"]
    assert store.look_after_files() is False
    store.close()


@pytest.mark.conformance("O10")
def test_a_logout_holds_on_every_worker(start_gateway: StartGateway, issuer: Issuer, unusable: Path) -> None:
    gateway = start_gateway({"TMPDIR": str(unusable)}, workers=3)
    sid = uuid.uuid4().hex
    token = issuer.mint({"sid": sid})
    with each_worker(gateway) as connections:
        for connection in connections.values():
            connection.request("GET", "/users/me", {"Authorization": f"Bearer {token}"})
            assert connection.receive().status == 200
        assert log_out(gateway, issuer, sid) == 200
        for connection in connections.values():
            connection.request("GET", "/users/me", {"Authorization": f"Bearer {token}"})
            check_refused(connection.receive())
    assert sum("ended sessions are kept in" in line["message"] for line in gateway.lines()) == 3


def log_out(gateway: Gateway, issuer: Issuer, sid: str) -> int:
    event = "http://schemas.openid.net/event/backchannel-logout"
    made = {"aud": CLIENT, "events": {event: {}}, "jti": uuid.uuid4().hex, "sid": sid}
    text = issuer.mint(made, drop=["typ", "azp"], headers={"typ": "logout+jwt"})
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode({"logout_token": text}).encode()
    return gateway.get("/auth/backchannel-logout", headers=form, method="POST", body=body).status


def rows(directory: Path) -> int:
    """How many ends the file holds."""
    (database,) = directory.glob("*/store.db")
    with closing(sqlite3.connect(database)) as reader:
        return int(reader.execute("SELECT count(*) FROM ended").fetchone()[0])
