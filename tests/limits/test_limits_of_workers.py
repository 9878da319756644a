"""Rate limits without Redis: exact over the workers of a machine, through their deaths, reloads and wrong clocks."""

import itertools
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest
from harness.allowance import quota_of
from harness.each_worker import each_worker
from harness.gateway import Gateway, StartGateway
from harness.http import Answer
from harness.issuer import Issuer
from harness.waiting import until

LIMIT = 20
SETTINGS = {"RATE_LIMIT_DEFAULT": f"{LIMIT} per hour", "RATE_LIMIT_MEDIA": f"{LIMIT} per hour"}

numbers = itertools.count(1)


def new_user() -> str:
    return f"user-{next(numbers)}"


def at_once(gateway: Gateway, token: str, count: int) -> list[Answer]:
    barrier = Barrier(count)

    def ask() -> Answer:
        barrier.wait(30)
        return gateway.get("/users/me", token, timeout=20)

    with ThreadPoolExecutor(count) as pool:
        return [asked.result() for asked in [pool.submit(ask) for _ in range(count)]]


def opened_by(worker: int) -> set[Path]:
    """The files of the counters that a worker has open."""
    found = set()
    for link in Path(f"/proc/{worker}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.add(Path(os.readlink(link)))
    return {path for path in found if path.name.startswith("counters.")}


def tables(gateway: Gateway) -> set[Path]:
    """The files of the counters that the workers have open."""
    return set().union(*map(opened_by, gateway.workers()))


@pytest.mark.conformance("L10", "R1")
@pytest.mark.parametrize("workers", [1, 4])
def test_exactly_n_pass(start_gateway: StartGateway, issuer: Issuer, workers: int) -> None:
    gateway = start_gateway(SETTINGS, workers=workers)
    for _ in range(3):
        answers = at_once(gateway, issuer.mint(sub=new_user()), 2 * LIMIT)
        assert sorted(answer.status for answer in answers) == [200] * LIMIT + [429] * LIMIT
        assert sorted(quota_of(answer).left for answer in answers if answer.status == 200) == list(range(LIMIT))
    assert not [line for line in gateway.lines() if "REDIS_URL" in line["message"]]


@pytest.mark.conformance("L10", "R1")
def test_a_window_is_one_over_all_workers(start_gateway: StartGateway, issuer: Issuer) -> None:
    gateway, token, seen = start_gateway(SETTINGS, workers=4), issuer.mint(sub=new_user()), []
    with each_worker(gateway) as connections:
        for _ in range(2):
            for connection in connections.values():
                connection.request("GET", "/users/me", {"Authorization": f"Bearer {token}"})
                seen.append(quota_of(connection.receive()))
    assert [answer.left for answer in seen] == [LIMIT - number for number in range(1, 9)]
    resets = [answer.reset for answer in seen]
    assert resets == sorted(resets, reverse=True) and 3500 < resets[-1] <= resets[0] <= 3600


@pytest.mark.conformance("L10", "S3")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_worker_takes_no_count_with_it(start_gateway: StartGateway, issuer: Issuer, workers: int) -> None:
    gateway, token = start_gateway(SETTINGS, workers=workers), issuer.mint(sub=new_user())
    for left in (LIMIT - 1, LIMIT - 2, LIMIT - 3):
        assert quota_of(gateway.get("/users/me", token)).left == left
        old = gateway.workers()
        os.kill(old[0], signal.SIGKILL)
        until(partial(others, gateway, old[0], workers), 10, "another worker")
        until(partial(answers, gateway), 20, "it to serve")


@pytest.mark.conformance("L10", "S2")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_reload_begins_no_window_anew(start_gateway: StartGateway, issuer: Issuer, workers: int) -> None:
    gateway, token = start_gateway(SETTINGS, workers=workers), issuer.mint(sub=new_user())
    first = quota_of(gateway.get("/users/me", token))
    old = set(gateway.workers())
    gateway.signal(signal.SIGHUP)
    until(lambda: not old & set(gateway.workers()), 30, "new workers")
    until(partial(answers, gateway), 20, "them to serve")
    second = quota_of(gateway.get("/users/me", token))
    assert (first.left, second.left) == (LIMIT - 1, LIMIT - 2)
    assert second.reset < first.reset


@pytest.mark.conformance("L10")
def test_two_deployments_share_no_counter(start_gateway: StartGateway, issuer: Issuer) -> None:
    one, other = start_gateway(SETTINGS), start_gateway(SETTINGS)
    token = issuer.mint(sub=new_user())
    assert [quota_of(each.get("/users/me", token)).left for each in (one, other, one)] == [
        LIMIT - 1,
        LIMIT - 1,
        LIMIT - 2,
    ]
    assert not tables(one) & tables(other)


@pytest.mark.conformance("L10")
def test_files_that_are_removed_are_made_again(start_gateway: StartGateway, issuer: Issuer) -> None:
    """Their memory stays until then: nothing that was counted is lost, no request fails."""
    gateway, token = start_gateway(SETTINGS, workers=2), issuer.mint(sub=new_user())
    assert gateway.get("/users/me", token).status == 200
    until(lambda: sum(map(bool, map(opened_by, gateway.workers()))) == 2, 15, "both to have them open")
    files = tables(gateway)
    assert files and all(str(file).startswith("/dev/shm/") for file in files)
    for file in [*files, next(iter(files)).with_name("master")]:
        file.unlink()
    next(iter(files)).parent.rmdir()
    assert quota_of(gateway.get("/users/me", token)).left == LIMIT - 2
    again = f"counters are kept in {Path('/dev/shm')} again"
    until(lambda: sum(again in line["message"] for line in gateway.lines()) == 2, 15, "both to make them again")
    assert quota_of(gateway.get("/users/me", token)).left == LIMIT - 3
    until(lambda: all(file.exists() for file in tables(gateway)), 15, "both to close what was removed")


@pytest.mark.conformance("L10")
def test_a_clock_that_is_set_makes_no_window_longer_or_shorter(start_gateway: StartGateway, tmp_path: Path) -> None:
    """As NTP does, or a virtual machine that goes on."""
    offset = tmp_path / "offset"
    offset.write_text("0")
    settings = {"RATE_LIMIT_DEFAULT": "3 per 4 seconds", "CLOCK_OFFSET": str(offset)}
    gateway = start_gateway(settings, app="harness.wrong_clock:app")
    for seconds in ("-3600", "3600", "0"):
        gate = [gateway.get("/nope") for _ in range(4)]
        offset.write_text(seconds)
        refused = gateway.get("/nope")
        assert [answer.status for answer in gate] == [404] * 3 + [429] and refused.status == 429
        assert quota_of(refused).reset <= 4 and int(refused.header("Retry-After") or "") <= 4
        time.sleep(4.1)
    assert quota_of(gateway.get("/nope")).left == 2


def others(gateway: Gateway, killed: int, count: int) -> bool:
    return len(set(gateway.workers()) - {killed}) == count


def answers(gateway: Gateway) -> bool:
    try:
        return gateway.get("/health/live").status == 200
    except OSError:
        return False
