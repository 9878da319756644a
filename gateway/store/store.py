"""`Store`: the state that the workers, and with Redis the machines, share."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import gevent
from opentelemetry.trace import Tracer

from gateway.spans import NO_TRACER
from gateway.store.counters import SHARED_MEMORY, MachineCounters
from gateway.store.folder import temporary_directory
from gateway.store.local import MAX_REVOCATIONS, LocalStore
from gateway.store.revocation_index import RevocationIndex, sealed_end
from gateway.store.revocation_sync import RevocationSync
from gateway.store.sealing import Sealer
from gateway.store.upkeep import STORE_SWEEP_SECONDS, StoreUpkeep

if TYPE_CHECKING:
    from gateway.store.redis_store import RedisStore

_EARLY = 0.002
"""Seconds: a window of Redis's ends here a bit earlier than there, never later; Redis rounds to milliseconds."""


class Store:
    """Leases and values with an expiry, for all workers of this machine, and with Redis for all machines.

    Everything is written to the machine's file, and also to Redis while it is up. A switch in either direction loses
    nothing on one machine: added keys stay added, and held leases stay held. While Redis is down, two machines may add
    the same key or hold the same lease, once each, and learn of ended sessions when it is back. Names are hashed and
    values sealed with keys of the secret; values of another secret are ignored.
    """

    def __init__(
        self,
        secret: bytes,
        name: str,
        redis_url: str | None = None,
        directory: Path | None = None,
        *,
        tracer: Tracer = NO_TRACER,
        redis_away: Callable[[bool], object] = bool,
        counts_alone: Callable[[bool], object] = bool,
        sweep_seconds: float = STORE_SWEEP_SECONDS,
        most_ends: int = MAX_REVOCATIONS,
    ) -> None:
        """`secret`: 32 bytes or more; `name` tells deployments with one secret apart; `directory`: where the machine's
        folder is made (default: the system's temporary directory, and for counters shared memory); `redis_away` is
        called with whether there is a Redis that cannot be used, `counts_alone` with whether this process counts by
        itself; `sweep_seconds`: how often the files are looked
        after; `most_ends`: how many ended sessions are remembered. Touches nothing before `start`."""
        self._sealer = Sealer(secret, name)
        deployment = self._sealer.deployment
        temporary = directory or temporary_directory()
        # Two gateways with different temporary directories share no counters in shared memory either.
        folder = self._sealer.name("folder", str(temporary.absolute())).hex()[:16]
        places = (temporary,) if directory else (temporary, SHARED_MEMORY)
        self._counters = MachineCounters(folder, places[::-1], alone=counts_alone)
        self._local = LocalStore(folder, places, most_ends)
        self._revocations = RevocationIndex(self._local, self._sealer, self._counters, most_ends)
        self._redis: RedisStore | None = None
        if redis_url:
            from gateway.store.redis_store import RedisStore  # redis-py is 9 MB of a worker: only if used

            self._redis = RedisStore(redis_url, deployment, tracer, redis_away)
        self._upkeep = StoreUpkeep(self._counters, self._local, self._revocations, sweep_seconds)
        self._sync = RevocationSync(self._redis, self._local, self._revocations, self._sealer) if self._redis else None
        self._greenlets: list[gevent.Greenlet[[], None]] = []

    def start(self) -> None:
        """Open the file, look for Redis (at most half a second), follow what others end.

        StoreFault where the file's folder can not be trusted.
        """
        self._local.open()
        self._counters.open()
        self._revocations.catch_up()
        self._greenlets.append(gevent.spawn(self._upkeep.run))
        if self._sync is not None:
            self._sync.begin()
            self._greenlets.append(gevent.spawn(self._sync.follow))

    def close(self, deadline: float) -> None:
        gevent.killall(self._greenlets, timeout=max(0.0, deadline - time.monotonic()))
        self._greenlets.clear()
        if self._redis is not None:
            self._redis.close()
        self._counters.close()
        self._local.close()

    @property
    def healthy(self) -> bool:
        """Whether Redis answers; True if none is used."""
        return self._redis is None or self._redis.up

    def add(self, key: str, life: float) -> bool:
        """Note the key for `life` seconds; True for exactly one of all who add it meanwhile.

        If Redis already has the key from another machine, this machine keeps its own copy for `life` seconds.
        """
        return self._take(self._sealer.name("add", key), b"", life)

    def put(self, key: str, value: bytes, life: float) -> None:
        """Store a value for `life` seconds, replacing any other."""
        name = self._sealer.name("put", key)
        sealed = self._sealer.seal(name, value)
        self._local.put(name, sealed, life)
        if self._redis is not None:
            self._redis.put(name, sealed, life)

    def get(self, key: str) -> bytes | None:
        """The stored value: Redis's, otherwise the machine's."""
        name = self._sealer.name("put", key)
        sealed = self._redis.get(name) if self._redis is not None else None
        opened = self._sealer.open(name, sealed) if sealed is not None else None
        if opened is not None:
            return opened
        sealed = self._local.get(name)
        return self._sealer.open(name, sealed) if sealed is not None else None

    def lease(self, key: str, life: float) -> str | None:
        """A token for the only holder, None while another one holds it. It expires after `life` seconds."""
        name = self._sealer.name("lease", key)
        token = secrets.token_hex(16)
        if self._take(name, token.encode(), life):
            return token
        self._local.remove(name, token.encode())  # free here, but held on another machine
        return None

    def release(self, key: str, token: str) -> None:
        """Release a lease early; does nothing if the token no longer holds it."""
        name = self._sealer.name("lease", key)
        if self._redis is not None:
            self._redis.remove(name, token.encode())
        self._local.remove(name, token.encode())

    def end(self, session: str, at: float, until: float) -> None:
        """Remember until `until` that this session ended `at` (both seconds since the epoch), here and everywhere."""
        number = self._revocations.end(session, at, until, shared=self._redis is None)
        if self._redis is not None:
            shared = self._redis.end(*sealed_end(self._sealer, session, at, until), until - time.time())
            if shared and number is not None:
                self._local.mark_shared(number)

    def count(self, key: str, amount: int, window: float) -> tuple[int, float]:
        """Add `amount` to the counter `key`; the new count, and the seconds until its window ends, which began with the
        first count.

        Without Redis it covers all workers of this machine. With it, all machines: Redis's count is used, and the
        machine keeps a copy. While Redis is down, each machine counts separately from its last copy. When Redis is
        back, empty or with old counts, it continues from the fullest window that a machine sends; the counts of
        several machines meanwhile are not added up.
        """
        name = self._sealer.counter(key)
        if self._redis is not None and self._redis.up:
            sent = time.monotonic()
            counted = self._redis.count(name, amount, window, *self._counters.table.read(name))
            if counted is not None:
                count, left = counted
                self._counters.table.note(name, count, sent + left - _EARLY)
                return count, left
        return self._counters.table.count(name, amount, window)

    def counted(self, key: str) -> tuple[int, float]:
        """What the counter came to as far as this machine knows, and the seconds until its window ends; zeros where
        there is none."""
        return self._counters.table.read(self._sealer.counter(key))

    def forget_count(self, key: str) -> None:
        """Reset the counter: the next count starts a new window."""
        name = self._sealer.counter(key)
        self._counters.table.clear(name)
        if self._redis is not None:
            self._redis.forget(name)

    def ended_at(self, *sessions: str) -> float | None:
        """When the last of these sessions ended (seconds since the epoch), None if none did. Called for each request:
        0.4 us."""
        return self._revocations.at(*sessions)

    def end_of(self, session: str) -> tuple[float, float] | None:
        """When the session ended and until when that is remembered, None if it did not."""
        return self._revocations.end_of(session)

    def _take(self, name: bytes, value: bytes, life: float) -> bool:
        """Add it to the machine's file, then to Redis, which decides. Only the process that succeeded locally asks
        Redis."""
        if not self._local.add(name, value, life):
            return False
        return self._redis is None or self._redis.add(name, value, life) is not False
