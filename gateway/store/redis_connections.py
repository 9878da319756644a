"""The connections of a store to Redis, and whether Redis can be used."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import gevent
from opentelemetry.trace import Tracer
from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from gateway import spans
from gateway.store.redis_counters import RedisCounters
from gateway.store.redis_faults import ConnectionLost, NotRedis, RedisFault, TooSlow, of_exception
from gateway.store.redis_pipeline import recorded

log = logging.getLogger("gateway.store")

Reply = TypeVar("Reply")

REDIS_SOCKET_SECONDS = 0.25  # per connect and per read
CALL_SECONDS = 1.0  # for a complete call: name resolution, a slow reply
IDLE_SECONDS = 3.0  # closing a connection that was used more recently counts as an outage
CONNECTIONS = 50
_NO_SPAN = nullcontext()


class RedisConnections:
    """A pool of connections for single commands, and the one that counts. After a fault `up` is False and nothing is
    asked until `look` finds Redis well: no request waits for one that is away."""

    def __init__(self, url: str, prefix: str, tracer: Tracer, away: Callable[[bool], object]) -> None:
        """Connects to nothing. `prefix` begins every key; `away` is called with whether Redis cannot be used.
        ValueError where `url` is none of Redis's."""
        self._prefix = prefix
        self._tracer = tracer
        self._away = away
        self._pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=REDIS_SOCKET_SECONDS,
            socket_timeout=REDIS_SOCKET_SECONDS,
            socket_connect_timeout=REDIS_SOCKET_SECONDS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,  # which every Redis supports
        )
        self.client = Redis(connection_pool=self._pool)
        kind = recorded(self._pool.connection_class)
        self._counters = RedisCounters(lambda: kind(**self._pool.connection_kwargs), prefix, REDIS_SOCKET_SECONDS)
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
        """Check whether Redis can be written to; a change is logged."""

        def write() -> bool:
            if not self.client.set(self._prefix + "look", b"", px=1000):
                raise NotRedis
            self._counters.open()
            return True

        self.up = bool(self._try("SET", write))  # only now: meanwhile nobody else should wait for it
        self._away(not self.up)
        if self.up and self._said_down:
            self._said_down = False
            log.info("Redis (REDIS_URL, %s): back", self._place)
        return self.up

    def ask(self, command: str, call: Callable[[], Reply]) -> Reply | None:
        """What `call` returns, within CALL_SECONDS; None where Redis is away or fails now. `command` names the span."""
        return self._try(command, call) if self.up else None

    def count(self, name: bytes, amount: int, window: float, known: int, known_left: float) -> tuple[int, float] | None:
        """Like `RedisCounters.count`; None if Redis is down or fails now."""
        if not self.up:
            return None
        if not self._counters.ready:
            self._reconnect()
            return None
        try:
            with self._span("EVALSHA"):
                return self._counters.count(name, amount, window, known, known_left)
        except RedisFault as fault:
            self._fail(fault)
            return None

    def _span(self, command: str) -> AbstractContextManager[object]:
        return spans.redis_call(self._tracer, command) if spans.traced() else _NO_SPAN

    def _try(self, command: str, call: Callable[[], Reply]) -> Reply | None:
        try:
            with self._span(command), gevent.Timeout(CALL_SECONDS, TooSlow):
                return call()
        except Exception as error:  # a server that is not Redis can make redis-py raise anything
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
                "Redis (REDIS_URL, %s): %s; rate limits, used sign-ins, refreshes under way and ended sessions are not"
                " shared with other machines until it is back",
                self._place,
                fault.reason,
            )

    @property
    def _place(self) -> str:
        """The address of Redis, without credentials."""
        known = self._pool.connection_kwargs
        place = known.get("path") or f"{known.get('host', 'localhost')}:{known.get('port', 6379)}"
        return f"{place}/{known.get('db') or 0}"
