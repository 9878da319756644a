"""Redis: can it be used, does it keep what it is given, how far is it?"""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter, time
from typing import Any

from gateway.doctor.deployment import Deployment
from gateway.doctor.finding import Finding, bad, good, questionable, unknown
from gateway.store.sealing import Sealer
from gateway.wiring.sign_in import store_identity

REDIS_SECONDS = 2.0
KEYS_LOOKED_AT = 50_000
"""Of the whole database, whoever they belong to: it may be large, and another's."""

KEYS_AT_ONCE = 1000
SLOW_REDIS_SECONDS = 0.02
REDIS_SECONDS_APART = 5.0

_FIXES = {
    "WrongPassword": "the password in REDIS_URL (redis://:password@host), as Redis has it (requirepass, ACL)",
    "NotPermitted": "give the user of REDIS_URL its rights (`ACL SETUSER … ~api-gateway:* &* +@all`)",
    "NoSuchDatabase": "the number at the end of REDIS_URL: below `databases` of Redis's configuration, 16 by default",
    "ReadOnly": "name the primary in REDIS_URL",
    "Full": "give it room (`maxmemory`)",
    "Loading": "wait until it has loaded",
    "NotRedis": "REDIS_URL leads to another server, or needs rediss:// (TLS)",
}
_REACH = "start Redis, allow the connection (firewall), or correct REDIS_URL (rediss:// where it wants TLS)"


def redis(deployment: Deployment) -> Iterator[Finding]:
    """Connect, write, and look at what matters of its configuration."""
    if deployment.settings.redis_url is None:
        return
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    from gateway.store.redis_faults import of_exception

    url, retry = deployment.settings.redis_url.get_secret_value(), Retry(NoBackoff(), 0)
    client: Any = Redis.from_url(
        url,
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
        retry=retry,
        protocol=2,
        decode_responses=True,
    )
    try:
        client.set("api-gateway:doctor", "", px=1000)
        began = perf_counter()
        client.ping()
        took = perf_counter() - began
        yield from _found(client, took)
        yield from _neighbours(client, Sealer(*store_identity(deployment.settings)).deployment)
    except Exception as error:  # what is no Redis may make redis-py raise anything
        fault = of_exception(error)
        kind = type(fault).__name__
        yield bad("Redis", f"{fault.reason} (REDIS_URL)", "it takes a value", _FIXES.get(kind, _REACH))
    finally:
        client.close()


def _found(client: Any, took: float) -> Iterator[Finding]:
    milliseconds = f"{took * 1000:.1f} ms"
    if took > SLOW_REDIS_SECONDS:
        yield questionable(
            "Redis",
            f"answers in {milliseconds}",
            f"under {SLOW_REDIS_SECONDS * 1000:g} ms",
            "a Redis nearer to the gateway",
        )
    else:
        yield good("Redis", f"answers in {milliseconds}")
    yield from _memory(client)
    yield from _clock(client)


def _memory(client: Any) -> Iterator[Finding]:
    try:
        info = client.info()
    except Exception as error:
        yield _unread("Redis's configuration", "INFO", error)
        return
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if policy == "noeviction" or not info.get("maxmemory"):
        yield good("Redis's memory", f"version {info.get('redis_version')}, {policy}")
    else:
        yield questionable(
            "Redis's memory",
            f"maxmemory-policy is {policy}",
            "noeviction",
            "`CONFIG SET maxmemory-policy noeviction`:"
            " ended sessions, used sign-ins and rate limits are forgotten under pressure otherwise",
        )


def _clock(client: Any) -> Iterator[Finding]:
    try:
        apart = time() - float(client.time()[0])
    except Exception as error:
        yield _unread("Redis's clock", "TIME", error)
        return
    if abs(apart) > REDIS_SECONDS_APART:
        yield questionable(
            "Redis's clock", f"{apart:.0f} s apart", f"at most {REDIS_SECONDS_APART:g} s", "let NTP set both clocks"
        )


def _neighbours(client: Any, own: str) -> Iterator[Finding]:
    """Gateways of another SESSION_SECRET: what they keep has another name, so that neither knows of the other."""
    found: set[str] = set()
    cursor: Any = 0
    try:
        for _ in range(KEYS_LOOKED_AT // KEYS_AT_ONCE):
            cursor, keys = client.scan(cursor, match="api-gateway:*:*", count=KEYS_AT_ONCE)
            found |= {key.split(":")[1] for key in keys}
            if not cursor:
                break
    except Exception as error:
        yield _unread("Redis's deployments", "SCAN", error)
    if found - {own}:
        yield questionable(
            "Redis's deployments",
            "other gateways use this database, and share nothing with this one",
            "the same SESSION_SECRET, KEYCLOAK_ISSUER_URL and KEYCLOAK_CLIENT_ID at all of them",
            "set SESSION_SECRET alike (the first of its list); another deployment gets a database of its own",
        )


def _unread(check: str, command: str, error: Exception) -> Finding:
    """The gateway does without this command: its user need not have it."""
    from gateway.store.redis_faults import of_exception

    return unknown(check, f"not read ({command}): {of_exception(error).reason}")


CHECKS = (redis,)
