"""Redis as the shared state of several machines. It never raises and never takes long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from opentelemetry.trace import Tracer
from redis.client import PubSub

from gateway.store.local import MAX_REVOCATIONS
from gateway.store.redis_connections import RedisConnections
from gateway.store.redis_faults import NotRedis

PAGE = 500

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
        """Connects to nothing. `away` is called with whether Redis cannot be used. ValueError where `url` is none of
        Redis's."""
        self._prefix = f"api-gateway:{deployment}:"
        self._revocations = self._prefix + "ended"
        self._connections = RedisConnections(url, self._prefix, tracer, away)
        self._client = self._connections.client
        self._ask = self._connections.ask
        self.count = self._connections.count
        self.look = self._connections.look
        self.close = self._connections.close

    @property
    def up(self) -> bool:
        """Whether Redis can be used."""
        return self._connections.up

    def add(self, name: bytes, value: bytes, life: float) -> bool | None:
        """Whether it was new; None if Redis did not answer."""
        return self._ask("SET", lambda: bool(self._client.set(self._key(name), value, nx=True, px=_milliseconds(life))))

    def put(self, name: bytes, value: bytes, life: float) -> None:
        self._ask("SET", lambda: self._client.set(self._key(name), value, px=_milliseconds(life)))

    def get(self, name: bytes) -> bytes | None:
        """The value; None also if Redis did not answer."""

        def value() -> bytes | None:
            found = self._client.get(self._key(name))
            if found is None or isinstance(found, bytes):
                return found
            raise NotRedis

        return self._ask("GET", value)

    def remove(self, name: bytes, value: bytes) -> None:
        """Remove it if this is its value."""
        self._ask("EVAL", lambda: self._client.eval(_REMOVE, 1, self._key(name), value))

    def forget(self, name: bytes) -> None:
        """Remove it regardless of its value."""
        self._ask("DEL", lambda: self._client.delete(self._key(name)))

    def end(self, name: bytes, value: bytes, life: float) -> bool:
        """Publish to all machines that a session ended; whether Redis accepted it."""
        taken = self._ask(
            "EVAL",
            lambda: (
                self._client.eval(_END, 1, self._revocations, MAX_REVOCATIONS, name, value, _milliseconds(life))
                is not None
            ),
        )
        return bool(taken)

    def ended_after(self, last: bytes) -> list[tuple[bytes, bytes, bytes]]:
        """(id, name, value) of the next revocations after the id `last`; b"0" for the first ones."""

        def read() -> list[tuple[bytes, bytes, bytes]]:
            rows = cast("list[Any]", self._client.xrange(self._revocations, min=_next(last), count=PAGE))
            found = [(ident, fields[b"name"], fields[b"value"]) for ident, fields in rows]
            if all(isinstance(part, bytes) for row in found for part in row):
                return found
            raise NotRedis

        return self._ask("XRANGE", read) or []

    @contextmanager
    def news(self) -> Iterator[Callable[[], bool]]:
        """A function that returns at once whether a session ended since its last call."""
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

    def _key(self, name: bytes) -> str:
        return self._prefix + name.hex()


def _milliseconds(life: float) -> int:
    return max(1, int(life * 1000))


def _next(ident: bytes) -> bytes:
    """The id after this one (`XRANGE` includes its start)."""
    time, _, number = ident.partition(b"-")
    return time + b"-" + str(int(number) + 1).encode() if number else b"-"
