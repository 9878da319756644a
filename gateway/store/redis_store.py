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
from redis.retry import Retry

from gateway import spans
from gateway.store.local import MAX_REVOCATIONS
from gateway.store.redis_counters import RedisCounters
from gateway.store.redis_faults import ConnectionLost, NotRedis, RedisFault, TooSlow, of_exception
from gateway.store.redis_pipeline import recorded

log = logging.getLogger("gateway.store")

Reply = TypeVar("Reply")

REDIS_SOCKET_SECONDS = 0.25  # per connect and per read
CALL_SECONDS = 1.0  # for all of a call: name resolution, a server that drips
IDLE_SECONDS = 3.0  # one that is closed after it was used no longer ago is an outage
CONNECTIONS = 50
PAGE = 500
_NO_SPAN = nullcontext()

_REMOVE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
_END = """
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'name', ARGV[2], 'value', ARGV[3])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return redis.call('PUBLISH', KEYS[1], '')
"""


class RedisStore:
    """Names and sealed values in Redis. After a fault `up` is False and nothing is asked until `look` finds it well;
    every method then answers None or nothing, at once."""

    def __init__(self, url: str, deployment: str, tracer: Tracer, away: Callable[[bool], object]) -> None:
        """Connects to nothing. `away` is called with whether Redis can not be used. ValueError where `url` is none of
        Redis's."""
        self._tracer = tracer
        self._away = away
        self._pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=REDIS_SOCKET_SECONDS,
            socket_timeout=REDIS_SOCKET_SECONDS,
            socket_connect_timeout=REDIS_SOCKET_SECONDS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,  # which every Redis speaks
        )
        self._client = Redis(connection_pool=self._pool)
        self._prefix = f"api-gateway:{deployment}:"
        self._revocations = self._prefix + "ended"
        kind = recorded(self._pool.connection_class)
        self._counters = RedisCounters(lambda: kind(**self._pool.connection_kwargs), self._prefix, REDIS_SOCKET_SECONDS)
        self._reconnecting: gevent.Greenlet[[], None] | None = None
        self._said_down = False
        self.up = False

    def close(self) -> None:
        self.up = False
        if self._reconnecting is not None:
            self._reconnecting.kill()
        self._counters.close()
        self._pool.disconnect()

    def look(self) -> bool:
        """Find out whether it can be written to; a change is one line in the log."""

        def write() -> bool:
            if not self._client.set(self._prefix + "look", b"", px=1000):
                raise NotRedis
            self._counters.open()
            return True

        self.up = bool(self._try("SET", write))  # only now: meanwhile nobody else should wait for it
        self._away(not self.up)
        if self.up and self._said_down:
            self._said_down = False
            log.info("Redis (REDIS_URL, %s): back", self._place)
        return self.up

    def add(self, name: bytes, value: bytes, life: float) -> bool | None:
        """Whether it was not there; None where Redis did not answer."""
        return self._ask("SET", lambda: bool(self._client.set(self._key(name), value, nx=True, px=_milliseconds(life))))

    def put(self, name: bytes, value: bytes, life: float) -> None:
        self._ask("SET", lambda: self._client.set(self._key(name), value, px=_milliseconds(life)))

    def get(self, name: bytes) -> bytes | None:
        """The value; None also where Redis did not answer."""

        def value() -> bytes | None:
            found = self._client.get(self._key(name))
            if found is None or isinstance(found, bytes):
                return found
            raise NotRedis

        return self._ask("GET", value)

    def remove(self, name: bytes, value: bytes) -> None:
        """Remove it where this is its value."""
        self._ask("EVAL", lambda: self._client.eval(_REMOVE, 1, self._key(name), value))

    def count(self, name: bytes, amount: int, window: float, known: int, known_left: float) -> tuple[int, float] | None:
        """What a counter comes to with `amount` more, and the seconds until its window ends, which began with the first
        count. `known`: what it came to at least in a window that ends in `known_left` seconds; Redis goes on from there
        where it knows less. None where Redis did not answer."""
        if not self.up:
            return None
        if not self._counters.ready:
            self._reconnect()
            return None
        span = spans.redis_call(self._tracer, "EVALSHA") if spans.traced() else _NO_SPAN
        try:
            with span:
                return self._counters.count(name, amount, window, known, known_left)
        except RedisFault as fault:
            self._fail(fault)
            return None

    def forget(self, name: bytes) -> None:
        """Remove it, whatever its value."""
        self._ask("DEL", lambda: self._client.delete(self._key(name)))

    def end(self, name: bytes, value: bytes, life: float) -> bool:
        """Publish to all machines that a session ended; whether Redis took it."""
        taken = self._ask(
            "EVAL",
            lambda: (
                self._client.eval(_END, 1, self._revocations, MAX_REVOCATIONS, name, value, _milliseconds(life))
                is not None
            ),
        )
        return bool(taken)

    def ended_after(self, last: bytes) -> list[tuple[bytes, bytes, bytes]]:
        """(id, name, value) of the next ends after the one with the id `last`; b"0" for the first ones."""

        def read() -> list[tuple[bytes, bytes, bytes]]:
            rows = cast("list[Any]", self._client.xrange(self._revocations, min=_next(last), count=PAGE))
            found = [(ident, fields[b"name"], fields[b"value"]) for ident, fields in rows]
            if all(isinstance(part, bytes) for row in found for part in row):
                return found
            raise NotRedis

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
            with span, gevent.Timeout(CALL_SECONDS, TooSlow):
                return call()
        except Exception as error:  # what is no Redis may make redis-py raise anything
            self._fail(of_exception(error))
            return None

    def _reconnect(self) -> None:
        """Redis has closed the counters' connection. It does (`timeout`) where nothing was asked for a while."""
        if self._reconnecting is not None and not self._reconnecting.dead:
            return
        if self._counters.idle < IDLE_SECONDS:
            self._fail(ConnectionLost())
        else:
            self._reconnecting = gevent.spawn(lambda: self._try("HELLO", self._counters.open))

    def _fail(self, fault: RedisFault) -> None:
        self.up = False
        self._away(True)
        self._counters.close()
        self._pool.disconnect(inuse_connections=False)
        if not self._said_down:
            self._said_down = True
            log.warning(
                "Redis (REDIS_URL, %s): %s; rate limits, used sign-ins, refreshes under way and ended sessions are this"
                " machine's alone until it is back",
                self._place,
                fault.reason,
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
