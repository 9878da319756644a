"""Rate limits with a real Redis: exact over workers and machines, and what goes on while it is away."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from harness.allowance import quota_of
from harness.collector import Collector
from harness.each_worker import each_worker
from harness.errors import check_error
from harness.gateway import Gateway, StartGateway
from harness.gateways import GatewayFactory
from harness.issuer import Issuer
from harness.load import Load
from harness.metrics import counted
from harness.redis_server import RedisServer
from harness.together import at_once
from harness.waiting import until

LIMIT = 40
SETTINGS = {"RATE_LIMIT_DEFAULT": "10000000 per hour", "RATE_LIMIT_MEDIA": f"{LIMIT} per hour"}
"""`/media` is limited, so that a load on `/users/me` is not."""

WORKERS = (4, 1)
NOTICED = 10.0
SLOWEST = 3.0
"""Seconds: Redis costs a request up to one on a bad day, the machine of the tests may be busy."""

numbers = itertools.count(1)


@dataclass(frozen=True)
class Site:
    """Two machines with one Redis."""

    issuer: Issuer
    redis: RedisServer
    gateways: tuple[Gateway, Gateway]

    def new_user(self) -> str:
        """A token of somebody who has not asked yet."""
        return self.issuer.mint(sub=f"user-{next(numbers)}")

    def in_fallback(self) -> int:
        """How many workers go on without Redis."""
        return int(sum(counted(each, lambda now: True).value("redis_fallback") for each in self.gateways))

    def check_exact(self) -> None:
        """Of many calls at once, to every worker of both, exactly LIMIT pass."""
        token = self.new_user()
        answers = at_once([partial(each.get, "/media/a", token, timeout=20) for each in self.gateways * 40])
        assert sorted(answer.status for answer in answers) == [200] * LIMIT + [429] * (80 - LIMIT)
        assert sorted(quota_of(answer).left for answer in answers if answer.status == 200) == list(range(LIMIT))
        for answer in answers:
            if answer.status == 429:
                check_error(answer, 429)


@pytest.fixture(scope="module")
def site(make_gateway: GatewayFactory, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer(tmp_path_factory.mktemp("redis")))
        env = {**SETTINGS, "REDIS_URL": redis.url}
        one, other = (stack.enter_context(make_gateway(env, workers=count)) for count in WORKERS)
        yield Site(issuer, redis, (one, other))
        for gateway in (one, other):
            assert not [line for line in gateway.lines() if line.get("statusCode", 0) >= 500 and is_ours(line)]


def is_ours(line: Mapping[str, object]) -> bool:
    """Health says what is away with a 503."""
    return not str(line.get("url")).startswith("/health")


@pytest.fixture(autouse=True)
def settled(site: Site) -> None:
    """Every test begins with a Redis that all workers use."""
    until(lambda: site.in_fallback() == 0, NOTICED, "all workers to use Redis")


def of_redis(gateway: Gateway, since: int) -> list[str]:
    """The levels of what it said of Redis."""
    return [line["level"] for line in gateway.lines()[since:] if line["message"].startswith("Redis (REDIS_URL")]


@pytest.mark.conformance("R1")
def test_exactly_n_pass_over_workers_and_machines(site: Site) -> None:
    for _ in range(3):
        site.check_exact()


@pytest.mark.conformance("R1")
def test_a_window_is_one_over_all_of_them(site: Site) -> None:
    one, other = site.gateways
    token, seen = site.new_user(), []
    with each_worker(one) as lines:
        for line in lines.values():
            line.request("GET", "/media/a", {"Authorization": f"Bearer {token}"})
            seen.append(quota_of(line.receive()))
    seen.append(quota_of(other.get("/media/a", token)))
    assert [answer.left for answer in seen] == [LIMIT - number for number in range(1, 6)]
    resets = [answer.reset for answer in seen]
    assert resets == sorted(resets, reverse=True) and 3500 < resets[-1] <= resets[0] <= 3600


@pytest.mark.conformance("R1")
def test_a_window_ends_in_redis_too(site: Site, start_gateway: StartGateway) -> None:
    """And begins with its first request, whichever machine that reaches."""
    env = {"RATE_LIMIT_DEFAULT": "3 per 3 seconds", "REDIS_URL": site.redis.url}
    gateway = start_gateway(env)
    user = site.new_user()
    answers = [gateway.get("/users/me", user) for _ in range(5)]
    assert [answer.status for answer in answers] == [200] * 3 + [429] * 2
    until(lambda: gateway.get("/users/me", user).status == 200, 10, "the next window")
    assert quota_of(gateway.get("/users/me", user)).left <= 1


def test_redis_holds_no_counter_for_ever_and_no_name(site: Site) -> None:
    for gateway in site.gateways:
        gateway.get("/media/a", site.issuer.mint(sub="MARK-user"))
        gateway.get("/nope", headers={"X-Forwarded-For": "203.0.113.66"})
    keys = site.redis.cli("KEYS", "*").split()
    assert keys and all(site.redis.cli("PTTL", key) != "-1" for key in keys)
    assert not [key for key in keys if "MARK" in key or "203.0" in key]


@pytest.mark.conformance("F3")
@pytest.mark.parametrize(
    ("down", "up"),
    [(RedisServer.hang, RedisServer.go_on), (RedisServer.kill, RedisServer.start)],
    ids=["hanging", "killed"],
)
def test_away_under_load(site: Site, down: Callable[[RedisServer], None], up: Callable[[RedisServer], None]) -> None:
    """Requests go on under each machine's own limit, from what Redis said last; nobody waits long."""
    one, other = site.gateways
    known = site.new_user()
    since = [len(gateway.lines()) for gateway in site.gateways]
    with Load(one, bearer(site.new_user())) as busy, Load(other, bearer(site.new_user())) as quiet:
        assert [other.get("/media/a", known).status for _ in range(30)] == [200] * 30
        down(site.redis)
        try:
            until(lambda: site.in_fallback() == sum(WORKERS), NOTICED, "all workers to notice")
            assert [other.get("/media/a", known).status for _ in range(15)] == [200] * 10 + [429] * 5
            someone = site.new_user()
            passed = [one.get("/media/a", someone).status for _ in range((WORKERS[0] + 1) * LIMIT)]
            assert set(passed) == {200, 429}
            assert passed.count(200) == LIMIT, "its workers count together"
            good = busy.good, quiet.good
            until(lambda: busy.good > good[0] + 100 and quiet.good > good[1] + 100, 20, "more answers")
        finally:
            up(site.redis)
        until(lambda: site.in_fallback() == 0, NOTICED, "Redis to be used again")
        site.check_exact()
    for load in (busy, quiet):
        assert load.failures == []
        assert load.slowest < SLOWEST
    for gateway, first, workers in zip(site.gateways, since, WORKERS, strict=True):
        until(lambda: len(of_redis(gateway, first)) == 2 * workers, 5, "the lines")
        assert sorted(of_redis(gateway, first)) == ["info"] * workers + ["warn"] * workers


@pytest.mark.conformance("F3")
def test_memory_is_flat_for_a_minute_without_it(site: Site) -> None:
    site.redis.hang()
    try:
        until(lambda: site.in_fallback() == sum(WORKERS), NOTICED, "all workers to notice")
        one, other = (Load(gateway, bearer(site.new_user())) for gateway in site.gateways)
        with one, other:
            time.sleep(5)
            before = [gateway.rss() for gateway in site.gateways]
            time.sleep(60)
            grown = [gateway.rss() - then for gateway, then in zip(site.gateways, before, strict=True)]
    finally:
        site.redis.go_on()
    for load, more in zip((one, other), grown, strict=True):
        assert load.failures == []
        assert load.good > 100
        assert more < 16 << 20, f"{more / (1 << 20):.1f} MiB more after {load.good} requests"


@pytest.mark.conformance("F3")
def test_started_again_under_load(site: Site) -> None:
    """It is empty then: it knows no counter and no script."""
    one, other = site.gateways
    with Load(one, bearer(site.new_user())) as busy, Load(other, bearer(site.new_user())) as quiet:
        for _ in range(2):
            before = busy.good, quiet.good
            site.redis.kill()
            site.redis.start()
            until(lambda: busy.good > before[0] + 100 and quiet.good > before[1] + 100, 20, "answers")
            until(lambda: site.in_fallback() == 0, NOTICED, "Redis to be used")
            until(lambda: redis_counts(site), NOTICED, "counters in it")
            site.check_exact()
    for load in (busy, quiet):
        assert load.failures == []
        assert load.slowest < SLOWEST


def redis_counts(site: Site) -> bool:
    """Whether every worker counts there: two calls of one new user at each are counted together."""
    token = site.new_user()
    lefts = []
    for gateway in site.gateways:
        with each_worker(gateway) as lines:
            for line in lines.values():
                line.request("GET", "/media/a", {"Authorization": f"Bearer {token}"})
                lefts.append(quota_of(line.receive()).left)
    return lefts == [LIMIT - number for number in range(1, sum(WORKERS) + 1)]


@pytest.mark.conformance("F3")
def test_not_there_at_the_start(start_gateway: StartGateway, issuer: Issuer, tmp_path: Path) -> None:
    """One worker has one limit; Redis is used when it comes."""
    with RedisServer(tmp_path) as redis:
        redis.kill()
        gateway = start_gateway({**SETTINGS, "REDIS_URL": redis.url})
        counted(gateway, lambda now: now.value("redis_fallback") == 1)
        token = issuer.mint(sub="early")
        assert [gateway.get("/media/a", token).status for _ in range(LIMIT + 5)] == [200] * LIMIT + [429] * 5
        assert of_redis(gateway, 0) == ["warn"]
        redis.start()
        counted(gateway, lambda now: now.value("redis_fallback") == 0)
        assert quota_of(gateway.get("/media/a", issuer.mint(sub="late"))).left == LIMIT - 1
        until(lambda: of_redis(gateway, 0) == ["warn", "info"])
        assert redis.cli("DBSIZE") != "0"


@pytest.mark.conformance("F3")
@pytest.mark.parametrize(
    "setting",
    [("CONFIG", "SET", "min-replicas-to-write", "1"), ("CONFIG", "SET", "maxmemory", "1")],
    ids=["refuses writes", "is full"],
)
def test_that_takes_no_writes_is_as_away(site: Site, setting: tuple[str, ...]) -> None:
    gateway, token = site.gateways[1], site.new_user()
    assert gateway.get("/media/a", token).status == 200
    site.redis.cli(*setting)
    try:
        statuses = [gateway.get("/media/a", token).status for _ in range(LIMIT)]
        assert statuses == [200] * (LIMIT - 1) + [429]
        counted(gateway, lambda now: now.value("redis_fallback") == 1)
    finally:
        site.redis.cli(*setting[:3], "0")


def test_a_count_has_a_span(site: Site, start_gateway: StartGateway) -> None:
    """It is the request's child, and says what was done where, never with which key."""
    with Collector() as collector:
        gateway = start_gateway({**SETTINGS, **collector.env, "REDIS_URL": site.redis.url})
        trace = "ab" * 16
        headers = {"traceparent": f"00-{trace}-{'cd' * 8}-00"}
        assert gateway.get("/users/me", site.issuer.mint(sub="MARK-user"), headers).status == 200
        spans = {span.kind + " " + span.name: span for span in collector.wait(trace, 3)}
        sent = b"".join(received.body for received in collector.requests)
    server, count = spans["server GET /users/me"], spans["client EVALSHA"]
    assert count.parent == spans["client GET"].parent == server.id
    assert count.attributes == {"db.system.name": "redis", "db.operation.name": "EVALSHA"}
    assert server.began <= count.began <= count.ended <= spans["client GET"].began
    assert b"MARK-password" not in sent and sent.count(b"MARK-user") == 1, "the one is user.id"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
