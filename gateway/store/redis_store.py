"""Redis, for what several machines know together. It never raises and never takes long."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar, cast

import gevent
from opentelemetry.trace import Tracer
from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from gateway import spans
from gateway.store.local import MAX_REVOCATIONS

log = logging.getLogger("gateway.store")

Reply = TypeVar("Reply")

SOCKET_SECONDS = 0.25  # per connect and per read
CALL_SECONDS = 1.0  # for all of a call: name resolution, a server that drips
CONNECTIONS = 50
PAGE = 500
_NO_SPAN = nullcontext()

_REMOVE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
_COUNT = """
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) left = tonumber(ARGV[2]) end
return {count, left}
"""
_END = """
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'name', ARGV[2], 'value', ARGV[3])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return redis.call('PUBLISH', KEYS[1], '')
"""


class _TooSlow(Exception):
    """A call took longer than CALL_SECONDS."""


class _NoRedis(Exception):
    """An answer that Redis does not give."""


# Why it can not be used, in words for a log: the first class that fits.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (AuthenticationError, "a wrong password"),
    (NoPermissionError, "its user may not do this"),
    (ReadOnlyError, "it is read-only"),
    (OutOfMemoryError, "it is full"),
    (BusyLoadingError, "it still loads what it keeps"),
    (RedisTimeoutError, "too slow"),
    (_TooSlow, "too slow"),
    (RedisConnectionError, "no connection"),
    (_NoRedis, "it answers as no Redis does"),
)


class RedisStore:
    """Names and sealed values in Redis. After a fault `up` is False and nothing is asked until `look` finds it well;
    every method then answers None or nothing, at once."""

    def __init__(self, url: str, deployment: str, tracer: Tracer, away: Callable[[bool], object]) -> None:
        """Connects to nothing. `away` is told whether Redis can not be used. ValueError where `url` is no Redis URL."""
        self._tracer = tracer
        self._away = away
        self._pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=SOCKET_SECONDS,
            socket_timeout=SOCKET_SECONDS,
            socket_connect_timeout=SOCKET_SECONDS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,  # which every Redis speaks
        )
        self._client = Redis(connection_pool=self._pool)
        self._prefix = f"api-gateway:{deployment}:"
        self._revocations = self._prefix + "ended"
        self._count = self._client.register_script(_COUNT)
        self._told_down = False
        self.up = False

    def close(self) -> None:
        self.up = False
        self._pool.disconnect()

    def look(self) -> bool:
        """Find out whether it can be written to; a change is one line in the log."""

        def write() -> bool:
            if not self._client.set(self._prefix + "look", b"", px=1000):
                raise _NoRedis
            return True

        self.up = bool(self._try("SET", write))  # only now: meanwhile nobody else should wait for it
        self._away(not self.up)
        if self.up and self._told_down:
            self._told_down = False
            log.info("Redis (REDIS_URL, %s): back", self._place)
        return self.up

    def add(self, name: bytes, value: bytes, life: float) -> bool | None:
        """Whether it was not there; None where Redis did not say."""
        return self._ask("SET", lambda: bool(self._client.set(self._key(name), value, nx=True, px=_milliseconds(life))))

    def put(self, name: bytes, value: bytes, life: float) -> None:
        self._ask("SET", lambda: self._client.set(self._key(name), value, px=_milliseconds(life)))

    def get(self, name: bytes) -> bytes | None:
        """The value; None also where Redis did not say."""

        def value() -> bytes | None:
            told = self._client.get(self._key(name))
            if told is None or isinstance(told, bytes):
                return told
            raise _NoRedis

        return self._ask("GET", value)

    def remove(self, name: bytes, value: bytes) -> None:
        """Remove it where this is its value."""
        self._ask("EVAL", lambda: self._client.eval(_REMOVE, 1, self._key(name), value))

    def count(self, name: bytes, amount: int, window: float) -> tuple[int, float] | None:
        """What a counter comes to with `amount` more, and the seconds until its window ends, which began with the first
        count. None where Redis did not say."""

        def counted() -> tuple[int, float]:
            match self._count(keys=[self._key(name)], args=[amount, _milliseconds(window)]):
                case [int(count), int(left)] if count >= amount and left >= 0:
                    return count, left / 1000
            raise _NoRedis

        return self._ask("EVALSHA", counted)

    def end(self, name: bytes, value: bytes, life: float) -> bool:
        """Tell all machines that a session ended; whether Redis took it."""
        told = self._ask(
            "EVAL",
            lambda: (
                self._client.eval(_END, 1, self._revocations, MAX_REVOCATIONS, name, value, _milliseconds(life))
                is not None
            ),
        )
        return bool(told)

    def ended_after(self, last: bytes) -> list[tuple[bytes, bytes, bytes]]:
        """(id, name, value) of the next ends after the one with the id `last`; b"0" for the first ones."""

        def read() -> list[tuple[bytes, bytes, bytes]]:
            rows = cast("list[Any]", self._client.xrange(self._revocations, min=_next(last), count=PAGE))
            found = [(ident, fields[b"name"], fields[b"value"]) for ident, fields in rows]
            if all(isinstance(part, bytes) for row in found for part in row):
                return found
            raise _NoRedis

        return self._ask("XRANGE", read) or []

    @contextmanager
    def news(self) -> Iterator[Callable[[], bool]]:
        """A function that says at once whether some session ended since it was last asked."""
        subscription: PubSub = self._client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]

        def any_news() -> bool:
            heard = False
            while self._ask("SUBSCRIBE", lambda: subscription.get_message(timeout=0)):
                heard = True
            return heard

        try:
            self._ask("SUBSCRIBE", lambda: subscription.subscribe(self._revocations))
            yield any_news
        finally:
            subscription.close()

    def _ask(self, command: str, call: Callable[[], Reply]) -> Reply | None:
        return self._try(command, call) if self.up else None

    def _try(self, command: str, call: Callable[[], Reply]) -> Reply | None:
        span = spans.redis_call(self._tracer, command) if spans.traced() else _NO_SPAN
        try:
            with span, gevent.Timeout(CALL_SECONDS, _TooSlow):
                return call()
        except Exception as error:  # what is no Redis may make redis-py raise anything
            self._fault(error)
            return None

    def _fault(self, error: Exception) -> None:
        self.up = False
        self._away(True)
        self._pool.disconnect(inuse_connections=False)
        if not self._told_down:
            self._told_down = True
            # The error's own text may hold what was sent, the password too.
            log.warning(
                "Redis (REDIS_URL, %s): %s; rate limits are each worker's alone, used sign-ins, refreshes under way and"
                " ended sessions this machine's, until it is back",
                self._place,
                next((words for kind, words in _REASONS if isinstance(error, kind)), type(error).__name__),
            )

    @property
    def _place(self) -> str:
        """Where Redis is, without who may enter."""
        known = self._pool.connection_kwargs
        place = known.get("path") or f"{known.get('host', 'localhost')}:{known.get('port', 6379)}"
        return f"{place}/{known.get('db') or 0}"

    def _key(self, name: bytes) -> str:
        return self._prefix + name.hex()


def _milliseconds(life: float) -> int:
    return max(1, int(life * 1000))


def _next(ident: bytes) -> bytes:
    """The id after this one (`XRANGE` takes what it is given as included)."""
    time, _, number = ident.partition(b"-")
    return time + b"-" + str(int(number) + 1).encode() if number else b"-"
