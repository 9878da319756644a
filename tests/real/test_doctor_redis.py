"""`gateway doctor` and a real Redis: what only it refuses."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from harness.command import looked_at
from harness.misconfigurations import REDIS, TWO_SECRETS
from harness.redis_server import PASSWORD, RedisServer
from harness.store import StoreProcess


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as running:
        yield running


def of_redis(url: str) -> Mapping[str, dict[str, Any]]:
    """What the doctor says of it, never a password."""
    found = looked_at("Redis", {"REDIS_URL": url})
    assert PASSWORD not in str(found) and "marked" not in str(found)
    return found


def test_one_that_can_be_used_is_well(redis: RedisServer) -> None:
    found = of_redis(redis.url)
    assert found["Redis"]["verdict"] == found["Redis's memory"]["verdict"] == "ok", found
    assert "noeviction" in found["Redis's memory"]["found"]


@pytest.mark.parametrize("name", REDIS)
def test_what_redis_refuses_is_named(redis: RedisServer, name: str) -> None:
    url, case = REDIS[name]
    found = of_redis(url.format(port=redis.port, password=PASSWORD))[case.check]
    assert found["verdict"] == "problem" and case.says in found["found"] and case.fix in found["fix"]


def test_one_that_forgets_under_pressure_is_doubtful(redis: RedisServer) -> None:
    redis.cli("CONFIG", "SET", "maxmemory", "100mb")
    redis.cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        found = of_redis(redis.url)["Redis's memory"]
    finally:
        redis.cli("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert found["verdict"] == "warning" and "noeviction" in found["fix"]


def test_gateways_of_another_session_secret_are_named(redis: RedisServer, tmp_path: Path) -> None:
    with StoreProcess(tmp_path, redis.url) as other:
        other.ask("end", "session", 1000.0, 4_000_000_000.0)
        found = of_redis(redis.url)
    said = found[TWO_SECRETS.check]
    assert TWO_SECRETS.says in said["found"] and TWO_SECRETS.fix in said["fix"]
