"""The store with a real Redis: machines that know of each other, and what goes on while it is away."""

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import pytest
from harness.redis_server import RedisServer
from harness.store import StoreProcess
from harness.waiting import until

from gateway.store import Store
from gateway.store.redis_connections import IDLE_SECONDS

BOUND = 0.8  # seconds a call may take at worst: a connect and a read that hang, and a slow machine


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as running:
        yield running


@pytest.fixture
def machines(redis: RedisServer, tmp_path: Path) -> Iterator[tuple[StoreProcess, StoreProcess, StoreProcess]]:
    """Two processes of one machine, one of another."""
    one, other = tmp_path / "one", tmp_path / "other"
    with StoreProcess(one, redis.url) as a, StoreProcess(one, redis.url) as b, StoreProcess(other, redis.url) as c:
        yield a, b, c


Machines = tuple[StoreProcess, StoreProcess, StoreProcess]


def end(process: StoreProcess, session: str, at: float = 1000.0) -> None:
    process.ask("end", session, at, time.time() + 60)


def is_down(process: StoreProcess) -> bool:
    return not process.ask("healthy")


def levels(process: StoreProcess) -> list[str]:
    return [level for level, _ in process.ask("lines")]


def test_a_state_is_added_on_one_machine_only(machines: Machines) -> None:
    a, b, c = machines
    for process in machines:
        process.send("race", 500)
    won = [number for process in machines for number in process.receive()]
    assert sorted(won) == list(range(500))
    assert a.ask("add", "state", 0.3) is True
    assert b.ask("add", "state", 0.3) is c.ask("add", "state", 0.3) is False
    time.sleep(0.7)
    assert c.ask("add", "state", 60) is True
    assert a.ask("add", "state", 60) is False


def test_a_lease_holds_between_machines(machines: Machines) -> None:
    a, b, c = machines
    token = a.ask("lease", "refresh", 60)
    assert token and b.ask("lease", "refresh", 60) is c.ask("lease", "refresh", 60) is None
    c.ask("release", "refresh", "another")
    assert c.ask("lease", "refresh", 60) is None
    a.ask("release", "refresh", token)
    token = c.ask("lease", "refresh", 0.5)
    assert token and a.ask("lease", "refresh", 60) is None
    c.kill()
    until(lambda: b.ask("lease", "refresh", 60), 2, "the dead holder's lease to end")


def test_a_value_put_on_one_machine_is_got_on_the_other(machines: Machines) -> None:
    a, _, c = machines
    a.ask("put", "tokens", b"one", 60)
    assert c.ask("get", "tokens") == b"one"
    c.ask("put", "tokens", b"\0two", 60)
    assert a.ask("get", "tokens") == b"\0two"


def test_a_session_that_ends_on_one_machine_is_ended_on_the_other(machines: Machines) -> None:
    for number, ender in enumerate(machines):
        end(ender, f"sid:{number}", 1000.0 + number)
        for asker in machines:
            until(lambda: asker.ask("ended_at", f"sid:{number}") == 1000.0 + number, 1, "the end to be known")


def test_a_machine_that_joins_knows_before_its_first_request(
    machines: Machines, redis: RedisServer, tmp_path: Path
) -> None:
    for number in range(1200):
        end(machines[0], f"sid:{number}")
    with StoreProcess(tmp_path / "third", redis.url) as third:
        assert third.ask("ended_at", "sid:0") and third.ask("ended_at", "sid:1199")


def test_a_lost_message_is_made_good_by_reading(machines: Machines, redis: RedisServer) -> None:
    redis.cli("CLIENT", "KILL", "TYPE", "pubsub")
    end(machines[0], "sid:abc")
    until(lambda: machines[2].ask("ended_at", "sid:abc"), 6, "the other machine to look")


def test_redis_holds_nothing_that_can_be_read_and_nothing_for_ever(machines: Machines, redis: RedisServer) -> None:
    a, _, _ = machines
    a.ask("add", "MARK-state", 60)
    a.ask("put", "MARK-key", b"MARK-value", 60)
    a.ask("lease", "MARK-lease", 60)
    end(a, "sid:MARK-session")
    redis.cli("SAVE")
    assert b"MARK" not in (redis.folder / "dump.rdb").read_bytes()
    keys = redis.cli("KEYS", "*").split()
    assert len(keys) >= 4
    # The key a store looks with lives for a second.
    assert all(redis.cli("PTTL", key) != "-1" for key in keys)


@pytest.mark.conformance("F3")
@pytest.mark.parametrize(
    ("down", "up"),
    [(RedisServer.hang, RedisServer.go_on), (RedisServer.kill, RedisServer.start)],
    ids=["hanging", "killed"],
)
def test_while_redis_is_away_the_machine_goes_on_and_then_all_is_as_before(
    machines: Machines, redis: RedisServer, down: Callable[[RedisServer], None], up: Callable[[RedisServer], None]
) -> None:
    a, b, c = machines
    assert a.ask("add", "before", 60) and c.ask("lease", "held", 60)
    a.ask("put", "tokens", b"value", 60)
    end(a, "sid:before")
    until(lambda: c.ask("ended_at", "sid:before"), 1, "the end to be known")
    down(redis)

    # Whoever is first waits once; everyone at once waits no longer.
    assert a.ask("many", 50, "add", "during", 60).count(True) == 1
    assert a.took < BOUND
    calls: list[tuple[Any, ...]] = [("get", "tokens"), ("lease", "other", 60), ("add", "x", 60), ("put", "y", b"y", 60)]
    for call in calls:
        a.ask(*call)
        assert a.took < 0.1, "in its back-off it asks Redis nothing"
    assert is_down(a)

    # The processes of one machine still agree, whether or not each has noticed.
    assert b.ask("add", "before", 60) is b.ask("add", "during", 60) is False
    assert b.took < BOUND
    assert b.ask("get", "tokens") == b"value" and b.ask("lease", "other", 60) is None
    assert c.ask("lease", "held", 60) is None and c.took < BOUND
    end(b, "sid:during")
    assert a.ask("ended_at", "sid:during") and a.ask("ended_at", "sid:before")
    assert c.ask("ended_at", "sid:before") and c.ask("ended_at", "sid:during") is None

    time.sleep(5)  # tries in vain, without a word
    for process in machines:
        assert levels(process) == ["WARNING"]
    up(redis)
    for process in machines:
        until(lambda: process.ask("healthy"), 4, "Redis to be used again")
        until(lambda: process.ask("ended_at", "sid:during"), 4, "what ended meanwhile to be known")
    assert a.ask("add", "before", 60) is a.ask("add", "during", 60) is False
    assert a.ask("get", "tokens") == b"value"
    assert c.ask("add", "after", 60) is True and a.ask("add", "after", 60) is False
    end(a, "sid:after")
    until(lambda: c.ask("ended_at", "sid:after"), 1, "the end to be known")
    for process in machines:
        assert levels(process) == ["WARNING", "INFO"]
        for _, text in process.ask("lines"):
            assert "REDIS_URL" in text and "MARK" not in text and str(redis.port) in text


def test_a_redis_that_is_not_there_at_the_start_is_used_when_it_comes(redis: RedisServer, tmp_path: Path) -> None:
    redis.kill()
    with StoreProcess(tmp_path / "one", redis.url) as one, StoreProcess(tmp_path / "other", redis.url) as other:
        assert is_down(one) and one.ask("add", "state", 60) is True and one.took < 0.1
        end(one, "sid:abc")
        redis.start()
        until(lambda: other.ask("ended_at", "sid:abc"), 6, "the end to be known")
        assert levels(one) == levels(other) == ["WARNING", "INFO"]


@pytest.mark.parametrize(
    "setting",
    [("CONFIG", "SET", "min-replicas-to-write", "1"), ("CONFIG", "SET", "maxmemory", "1")],
    ids=["refuses writes", "is full"],
)
def test_a_redis_that_takes_no_writes_is_as_down(
    redis: RedisServer, machines: Machines, setting: tuple[str, ...]
) -> None:
    a, b, _ = machines
    redis.cli(*setting)
    assert a.ask("add", "state", 60) is True and b.ask("add", "state", 60) is False
    time.sleep(3)
    assert is_down(a) and levels(a) == ["WARNING"]
    redis.cli(*setting[:3], "0")
    until(lambda: a.ask("healthy"), 4, "Redis to be used again")


def test_a_wrong_password_is_one_line_that_does_not_hold_it(redis: RedisServer, tmp_path: Path) -> None:
    url = f"redis://:MARK-wrong@127.0.0.1:{redis.port}"
    with StoreProcess(tmp_path / "one", url) as process:
        assert process.ask("add", "state", 60) is True
        ((level, text),) = process.ask("lines")
    assert level == "WARNING" and "a wrong password" in text and "MARK" not in text


def test_the_store_leaves_no_file_open(redis: RedisServer, tmp_path: Path) -> None:
    """Opened, used and closed here, where sockets are not gevent's."""

    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    store = Store(b"x" * 32, "here", redis.url, tmp_path / "one")
    counts = []
    for _ in range(4):
        store.start()
        assert store.healthy
        store.end("sid:abc", 1000.0, time.time() + 60)
        assert store.ended_at("sid:abc") == 1000.0
        gevent.sleep(0.1)
        store.close(time.monotonic() + 1)
        counts.append(open_files())
    assert len(set(counts)) == 1, counts


# --- counters


def counts(process: StoreProcess, times: int, key: str = "key") -> list[int]:
    seen: list[int] = process.ask("counts", times, [key], 1, 600)[key]
    return seen


@pytest.mark.conformance("R1")
def test_machines_count_together_exactly(machines: Machines) -> None:
    """Many requests of each process at once, on its one connection."""
    for process in machines:
        process.send("many", 300, "count", "key", 1, 600)
    seen = [count for process in machines for count, _ in process.receive()]
    assert sorted(seen) == list(range(1, 901))
    assert all(process.ask("counted", "key")[0] >= 300 for process in machines), "each keeps what it heard"


@pytest.mark.conformance("R1")
def test_a_script_that_is_forgotten_is_sent_again(machines: Machines, redis: RedisServer) -> None:
    a, _, c = machines
    assert counts(a, 3) == [1, 2, 3]
    redis.cli("SCRIPT", "FLUSH")
    assert counts(c, 2) == [4, 5] and counts(a, 1) == [6]
    assert levels(a) == levels(c) == []


def test_connections_that_redis_ends_are_made_again(machines: Machines, redis: RedisServer) -> None:
    """As it does with those that say nothing for a while: no outage, and nothing that was counted is lost."""
    a, _, _ = machines
    assert counts(a, 3) == [1, 2, 3]
    time.sleep(IDLE_SECONDS)
    redis.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    until(lambda: "evalsha" not in redis.cli("CLIENT", "LIST"), 2, "the connection's end")
    first = counts(a, 1)[0]
    until(lambda: a.ask("count", "another", 1, 600) and "evalsha" in redis.cli("CLIENT", "LIST"), 5, "another one")
    assert counts(a, 2) == [first + 1, first + 2] and first == 4
    assert levels(a) == []


@pytest.mark.conformance("F3", "R1")
def test_a_redis_that_lost_its_counters_goes_on_from_the_fullest(machines: Machines, redis: RedisServer) -> None:
    a, b, c = machines
    assert counts(a, 40)[-1] == 40 and counts(c, 2) == [41, 42]
    redis.cli("FLUSHALL")
    count, left = b.ask("count", "key", 1, 600)
    assert count == 41 and 500 < left < 600, "its machine's, in the window that was"
    assert counts(c, 1) == [43], "the other machine knew of more"
    assert counts(a, 1) == [44]
    assert int(redis.cli("PTTL", redis.cli("KEYS", "*:????????????????????????????????"))) < 600_000


@pytest.mark.conformance("F3", "R1")
def test_what_a_machine_counted_alone_is_kept_when_redis_is_back(machines: Machines, redis: RedisServer) -> None:
    a, b, c = machines
    assert counts(a, 10)[-1] == 10
    redis.hang()
    assert counts(a, 5)[-1] == 15 and counts(b, 5)[-1] == 20, "one machine"
    assert counts(c, 3) == [1, 2, 3], "another that never heard of it"
    redis.go_on()
    for process in machines:
        until(partial(process.ask, "healthy"), 6, "Redis to be used again")
    assert counts(c, 1)[0] >= 11
    assert counts(a, 1)[0] >= 21 and counts(c, 1)[0] >= 22


@pytest.mark.conformance("L10")
def test_a_window_of_a_redis_whose_clock_was_set_back_is_cut(machines: Machines, redis: RedisServer) -> None:
    a, _, _ = machines
    assert counts(a, 1) == [1]
    key = redis.cli("KEYS", "*:????????????????????????????????")
    redis.cli("PEXPIRE", key, "3600000")
    count, left = a.ask("count", "key", 1, 600)
    assert count == 2 and left <= 600
    assert int(redis.cli("PTTL", key)) <= 600_000
