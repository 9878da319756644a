"""The store on one machine: processes that see each other at once, and a file that tells nobody anything."""

import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import gevent
import pytest
from harness.repository import ROOT
from harness.store import SECRET, StoreProcess
from harness.waiting import until

from gateway.scope import Principal
from gateway.sessions.revocations import SessionRevocations
from gateway.store import Store, StoreFault
from gateway.store.local import MAX_REVOCATIONS, LocalStore

pytestmark = pytest.mark.timed

Pair = tuple[StoreProcess, StoreProcess]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with_life = Store(SECRET, "tests", directory=tmp_path)
    with_life.start()
    yield with_life
    with_life.close(time.monotonic() + 2)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two processes of one machine; each test has keys of its own."""
    directory = tmp_path_factory.mktemp("pair")
    with StoreProcess(directory) as one, StoreProcess(directory) as two:
        yield one, two


def folder_of(directory: Path) -> Path:
    (found,) = directory.iterdir()
    return found


def database_of(directory: Path) -> Path:
    return folder_of(directory) / "store.db"


# --- one process


def test_what_is_added_is_there_until_its_life_is_over(store: Store) -> None:
    assert store.add("state", 0.2) is True
    assert store.add("state", 60) is False
    time.sleep(0.25)
    assert store.add("state", 60) is True


def test_a_value_lives_as_long_as_it_was_given(store: Store) -> None:
    assert store.get("tokens") is None
    store.put("tokens", b"one", 60)
    store.put("tokens", b"\0two", 0.2)
    assert store.get("tokens") == b"\0two"
    time.sleep(0.25)
    assert store.get("tokens") is None


def test_a_lease_has_one_holder_and_only_that_one_ends_it(store: Store) -> None:
    token = store.lease("refresh", 60)
    assert token and store.lease("refresh", 60) is None
    store.release("refresh", "another")
    assert store.lease("refresh", 60) is None
    store.release("refresh", token)
    assert store.lease("refresh", 60)


def test_a_late_holder_does_not_end_its_successors_lease(store: Store) -> None:
    late = store.lease("refresh", 0.1)
    time.sleep(0.15)
    assert store.lease("refresh", 60)
    store.release("refresh", str(late))
    assert store.lease("refresh", 60) is None


def test_the_same_word_is_another_key_to_another_method(store: Store) -> None:
    assert store.add("word", 60) and store.lease("word", 60)
    assert store.get("word") is None


def test_an_ended_session_is_remembered_with_its_time_and_no_longer_than_asked(store: Store) -> None:
    assert store.ended_at("sid:abc") is None
    store.end("sid:abc", 1000.5, time.time() + 60)
    assert store.ended_at("sid:abc") == 1000.5
    assert store.ended_at("sub:abc") is None
    store.end("sub:short", 1000.5, time.time() + 0.1)
    assert store.ended_at("sub:short") == 1000.5
    time.sleep(0.15)
    assert store.ended_at("sub:short") is None


def test_the_latest_end_of_a_session_counts_in_whatever_order_they_come(pair: Pair) -> None:
    one, two = pair
    for process, at, counts in [(one, 1000.0, 1000.0), (two, 3000.0, 3000.0), (one, 2000.0, 3000.0)]:
        process.ask("end", "sub:abc", at, time.time() + 60)
        assert [asked.ask("ended_at", "sub:abc") for asked in pair] == [counts, counts]


def test_an_end_can_be_remembered_longer_and_a_lapsed_one_is_no_end(pair: Pair) -> None:
    one, two = pair
    one.ask("end", "sid:abc", 3000.0, time.time() + 0.2)
    one.ask("end", "sid:abc", 3000.0, time.time() + 60)
    one.ask("end", "sid:def", 3000.0, time.time() + 0.2)
    time.sleep(0.25)
    assert two.ask("ended_at", "sid:abc") == 3000.0
    one.ask("end", "sid:def", 2000.0, time.time() + 60)
    assert [asked.ask("ended_at", "sid:def") for asked in pair] == [2000.0, 2000.0]


def test_the_oldest_ends_are_forgotten_when_there_are_too_many(tmp_path: Path) -> None:
    store = Store(SECRET, "tests", directory=tmp_path, most_ends=3)
    store.start()
    for number in range(5):
        store.end(f"sid:{number}", time.time(), time.time() + 60)
    assert [bool(store.ended_at(f"sid:{number}")) for number in range(5)] == [False, False, True, True, True]
    store.close(time.monotonic() + 1)


def test_without_redis_it_is_healthy(store: Store) -> None:
    assert store.healthy


def test_building_a_store_touches_nothing(tmp_path: Path) -> None:
    built = Store(SECRET, "tests", "redis://127.0.0.1:1/0", tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert built.ended_at("sid:abc") is None
    built.close(time.monotonic() + 1)


def test_a_closed_store_answers_and_can_be_started_again(store: Store) -> None:
    store.add("state", 60)
    store.close(time.monotonic() + 1)
    assert store.get("tokens") is None and store.ended_at("sid:abc") is None
    store.start()
    assert store.add("state", 60) is False


# --- several processes of one machine


def test_a_state_is_added_by_one_process_only(pair: Pair) -> None:
    one, two = pair
    assert one.ask("add", "state", 60) is True
    assert two.ask("add", "state", 60) is False


def test_of_processes_that_race_for_a_key_exactly_one_gets_it(pair: Pair) -> None:
    for process in pair:
        process.send("race", 2000)
    won = [number for process in pair for number in process.receive()]
    assert sorted(won) == list(range(2000))


def test_a_value_put_by_one_process_is_got_by_the_other(pair: Pair) -> None:
    one, two = pair
    one.ask("put", "tokens", b"value", 60)
    assert two.ask("get", "tokens") == b"value"


def test_a_lease_holds_between_processes(pair: Pair) -> None:
    one, two = pair
    token = one.ask("lease", "refresh", 60)
    assert two.ask("many", 20, "lease", "refresh", 60) == [None] * 20
    one.ask("release", "refresh", token)
    assert sum(lease is not None for lease in two.ask("many", 20, "lease", "refresh", 60)) == 1


def test_the_lease_of_a_killed_holder_ends_by_itself(tmp_path: Path) -> None:
    with StoreProcess(tmp_path) as holder, StoreProcess(tmp_path) as other:
        assert holder.ask("lease", "refresh", 0.5)
        holder.kill()
        assert other.ask("lease", "refresh", 60) is None
        until(lambda: other.ask("lease", "refresh", 60), 10, "the dead holder's lease to end")


def test_a_session_ended_by_one_process_is_ended_for_the_other_at_once(pair: Pair) -> None:
    one, two = pair
    for number in range(200):
        ender, asker = (one, two) if number % 2 else (two, one)
        assert asker.ask("ended_at", f"sid:{number}") is None
        ender.ask("end", f"sid:{number}", time.time(), time.time() + 60)
        assert asker.ask("ended_at", f"sid:{number}") == ender.ask("ended_at", f"sid:{number}") is not None


def test_a_process_that_starts_later_knows_what_has_ended(tmp_path: Path) -> None:
    with StoreProcess(tmp_path) as one:
        one.ask("end", "sid:abc", time.time(), time.time() + 60)
    with StoreProcess(tmp_path) as two:
        assert two.ask("ended_at", "sid:abc")


def test_processes_that_begin_together_all_open_the_file(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from gateway.store import Store\n"
        f"s = Store({SECRET!r}, 'tests', None, Path(sys.argv[1])); s.start(); print(s.add('one', 60)); s.close(0)"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path)]
    started = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(8)]
    reported = [process.communicate(timeout=30) for process in started]
    assert sorted(out for out, _ in reported) == [b"False\n"] * 7 + [b"True\n"], reported


def test_a_busy_file_is_waited_for_without_stopping_other_greenlets(tmp_path: Path) -> None:
    with StoreProcess(tmp_path) as process:
        holder = sqlite3.connect(database_of(tmp_path), isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        process.send("many", 5, "add", "state", 60)
        time.sleep(0.3)
        holder.execute("ROLLBACK")
        holder.close()
        assert sorted(process.receive()) == [False, False, False, False, True]
        assert process.took < 1
        assert process.ask("lines") == []


def test_a_file_that_stays_busy_is_given_up_in_bounded_time_and_said_once(tmp_path: Path) -> None:
    with StoreProcess(tmp_path) as process:
        holder = sqlite3.connect(database_of(tmp_path), isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        assert process.ask("add", "state", 60) is True
        process.ask("end", "sid:abc", time.time(), time.time() + 60)
        assert process.took < 1.5
        assert process.ask("ended_at", "sid:abc")
        holder.execute("ROLLBACK")
        holder.close()
        assert [level for level, _ in process.ask("lines")] == ["ERROR"]


# --- what others can read, and what they put there


def test_nothing_in_the_files_can_be_read(store: Store, tmp_path: Path) -> None:
    store.add("MARK-state", 60)
    store.put("MARK-key", b"MARK-value", 60)
    store.lease("MARK-lease", 60)
    store.end("sid:MARK-session", time.time(), time.time() + 60)
    files = [file for file in folder_of(tmp_path).iterdir() if file.is_file()]
    assert len(files) >= 3
    for file in files:
        assert b"MARK" not in file.read_bytes(), file
        assert SECRET[:8] not in file.read_bytes(), file
        assert "MARK" not in file.name
    assert folder_of(tmp_path).stat().st_mode & 0o777 == 0o700


def test_a_value_that_was_changed_is_as_absent(store: Store, tmp_path: Path) -> None:
    store.put("tokens", b"value", 60)
    with_hands = sqlite3.connect(database_of(tmp_path))
    with with_hands:
        with_hands.execute("UPDATE kept SET value = substr(value, 1, length(value) - 1) || x'00'")
    with_hands.close()
    assert store.get("tokens") is None


def test_a_value_moved_to_another_name_is_as_absent(store: Store, tmp_path: Path) -> None:
    store.put("mine", b"mine", 60)
    with_hands = sqlite3.connect(database_of(tmp_path))
    with with_hands:
        (name,) = with_hands.execute("SELECT name FROM kept").fetchone()
        store.put("yours", b"yours", 60)
        with_hands.execute("UPDATE kept SET value = (SELECT value FROM kept WHERE name = ?)", (name,))
    with_hands.close()
    assert (store.get("mine"), store.get("yours")) == (b"mine", None)


def test_an_end_that_was_changed_is_as_absent(tmp_path: Path) -> None:
    with StoreProcess(tmp_path) as process:
        process.ask("end", "sid:abc", time.time(), time.time() + 60)
        with_hands = sqlite3.connect(database_of(tmp_path))
        with with_hands:
            with_hands.execute("UPDATE ended SET value = x'00'")
        with_hands.close()
    with StoreProcess(tmp_path) as process:
        assert process.ask("ended_at", "sid:abc") is None


@pytest.mark.parametrize(
    ("secret", "name"), [(b"another" * 8, "tests"), (SECRET, "another")], ids=["secret", "deployment"]
)
def test_another_deployment_shares_nothing(store: Store, tmp_path: Path, secret: bytes, name: str) -> None:
    store.put("tokens", b"value", 60)
    store.end("sid:abc", time.time(), time.time() + 60)
    foreign = Store(secret, name, directory=tmp_path)
    foreign.start()
    assert foreign.get("tokens") is None and foreign.ended_at("sid:abc") is None
    foreign.close(time.monotonic() + 1)
    assert len(list(tmp_path.iterdir())) == 2


def as_link(folder: Path) -> None:
    target = folder.parent.parent / "target"
    target.mkdir(mode=0o700)
    folder.symlink_to(target)


def as_open_to_all(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o755)


def as_foreign(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    os.chown(folder, 65534, 65534)


REFUSED = [
    pytest.param(as_link, "no directory", id="a link"),
    pytest.param(Path.touch, "File exists|no directory", id="a file"),
    pytest.param(as_open_to_all, "mode 755", id="open to all"),
    pytest.param(
        as_foreign,
        "belongs to user 65534",
        id="another user's",
        marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away"),
    ),
]


@pytest.mark.parametrize(("make", "said"), REFUSED)
def test_a_folder_that_can_not_be_trusted_is_refused(tmp_path: Path, make: object, said: str) -> None:
    parent = tmp_path / "parent"
    refused = Store(SECRET, "tests", directory=parent)
    refused.start()
    refused.close(time.monotonic() + 1)
    folder = folder_of(parent)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    make(folder)  # type: ignore[operator]
    with pytest.raises(StoreFault, match=said) as error:
        refused.start()
    assert str(folder) in str(error.value) and "TMPDIR" in str(error.value)


def test_the_folder_is_in_the_temporary_directory_unless_one_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    store = Store(SECRET, "tests")
    store.start()
    store.close(time.monotonic() + 1)
    assert re.fullmatch(f"api-gateway-{os.geteuid()}-[0-9a-f]{{16}}", folder_of(tmp_path).name)


# --- the file over time


def test_a_file_that_is_no_database_is_begun_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with StoreProcess(tmp_path):
        pass
    database_of(tmp_path).write_bytes(b"not a database, whatever it is" * 100)
    store = Store(SECRET, "tests", directory=tmp_path)
    store.start()
    assert store.add("state", 60) is True and store.add("state", 60) is False
    store.close(time.monotonic() + 1)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_files_that_were_cleaned_away_are_made_again_with_what_had_ended(tmp_path: Path) -> None:
    store = Store(SECRET, "tests", directory=tmp_path, sweep_seconds=0.05)
    store.start()
    store.end("sid:abc", time.time(), time.time() + 60)
    for file in folder_of(tmp_path).iterdir():
        file.unlink()
    gevent.sleep(0.2)
    assert store.ended_at("sid:abc")
    with StoreProcess(tmp_path) as other:
        assert other.ask("ended_at", "sid:abc")
        other.ask("end", "sid:def", time.time(), time.time() + 60)
        assert store.ended_at("sid:def")
    store.close(time.monotonic() + 1)


def test_what_has_expired_is_removed(tmp_path: Path) -> None:
    store = Store(SECRET, "tests", directory=tmp_path, sweep_seconds=0.05)
    store.start()
    for number in range(2500):
        store.add(f"state-{number}", 0.01)
    store.add("stays", 60)
    store.end("sid:abc", time.time(), time.time() + 0.01)
    store.end("sid:stays", time.time(), time.time() + 60)
    gevent.sleep(0.5)
    reader = sqlite3.connect(database_of(tmp_path))
    counts = [reader.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("kept", "ended")]
    reader.close()
    store.close(time.monotonic() + 1)
    assert counts == [1, 1]


# --- what nobody can push out


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[LocalStore]:
    opened = LocalStore("tests", (tmp_path,))
    opened.open()
    yield opened
    opened.close()


def rows_of(directory: Path) -> int:
    """How many ends the file holds."""
    with closing(sqlite3.connect(database_of(directory))) as reader:
        return int(reader.execute("SELECT count(*) FROM ended").fetchone()[0])


@pytest.mark.conformance("O8", "O10")
def test_junk_that_is_revoked_is_not_among_the_ended_sessions(store: Store, tmp_path: Path) -> None:
    ended = SessionRevocations(store, 30.0)
    principal = Principal("user", None, frozenset(), "", time.time() + 60, time.time(), "abc")
    ended.sign_out(principal)
    junk = [f"junk-{number}" for number in range(1000)]
    for token in junk:
        ended.revoke_refresh_token(token)
    assert all(map(ended.is_refresh_token_revoked, junk)) and not ended.is_refresh_token_revoked("another")
    assert rows_of(tmp_path) == 1
    assert ended.includes(principal)


@pytest.mark.conformance("O8", "O10")
def test_a_session_that_ends_again_and_again_pushes_no_other_out(machine: LocalStore, tmp_path: Path) -> None:
    """Each end has a number of its own, also where it replaces another; what is kept goes by count."""
    until_then = time.time() + 60
    machine.end(b"first", b"", 1.0, until_then, shared=True)
    machine.end(b"again", b"", 1.0, until_then, shared=True)
    with closing(sqlite3.connect(database_of(tmp_path))) as with_hands, with_hands:
        with_hands.execute("UPDATE sqlite_sequence SET seq = seq + ?", (2 * MAX_REVOCATIONS,))
    machine.end(b"again", b"", 2.0, until_then, shared=True)
    assert machine.sweep() is False
    assert [name for _, name, _ in machine.ended_after(0)] == [b"first", b"again"]


@pytest.mark.conformance("O10")
def test_of_more_than_are_kept_the_first_go(machine: LocalStore, tmp_path: Path) -> None:
    until_then = time.time() + 60
    machine.end(b"first", b"", 1.0, until_then, shared=True)
    rows = ((b"%d" % number, b"", 1.0, until_then, 1) for number in range(MAX_REVOCATIONS + 2))
    with closing(sqlite3.connect(database_of(tmp_path))) as with_hands, with_hands:
        with_hands.executemany("INSERT INTO ended (name, value, at, until, shared) VALUES (?, ?, ?, ?, ?)", rows)
    while machine.sweep():
        pass
    names = [name for _, name, _ in machine.ended_after(0)]
    assert (len(names), names[0]) == (MAX_REVOCATIONS, b"2")
