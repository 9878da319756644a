"""Exchanges revocations with the other machines through Redis."""

from __future__ import annotations

from time import monotonic, time
from typing import TYPE_CHECKING

import gevent

from gateway.store.database import log
from gateway.store.local import LocalStore
from gateway.store.revocation_index import RevocationIndex, opened_end
from gateway.store.sealing import Sealer

if TYPE_CHECKING:
    from gateway.store.redis_store import RedisStore

BACK_OFF_SECONDS = 2.0
LISTEN_SECONDS = 0.05
READ_SECONDS = 3.0
_FIRST = b"0"


class RevocationSync:
    """Reads Redis's list of revocations from its beginning whenever Redis is back, then the new ones: on each message,
    and at least every READ_SECONDS. Every worker does so; the first one writes the machine's file, where the others
    find them."""

    def __init__(self, redis: RedisStore, local: LocalStore, revocations: RevocationIndex, sealer: Sealer) -> None:
        self._redis = redis
        self._local = local
        self._revocations = revocations
        self._sealer = sealer
        self._last = _FIRST

    def begin(self) -> None:
        """Check Redis once, and read the revocations before this worker's first request."""
        if self._redis.look():
            self._read()

    def follow(self) -> None:
        """Loop forever: read while Redis is up, check it every BACK_OFF_SECONDS while it is down."""
        while True:
            try:
                if self._redis.up or self._redis.look():
                    self._follow_while_up()
            except Exception:
                log.exception("reading changes from Redis failed")
            self._last = _FIRST
            gevent.sleep(BACK_OFF_SECONDS)

    def _follow_while_up(self) -> None:
        with self._redis.news() as any_news:
            read = monotonic() - READ_SECONDS
            while self._redis.up:
                if any_news() or monotonic() - read >= READ_SECONDS:
                    self._publish()
                    self._read()
                    read = monotonic()
                # Looking costs 20 us and works whether or not sockets are gevent's; a wait in redis-py does not.
                gevent.sleep(LISTEN_SECONDS)

    def _publish(self) -> None:
        """Publish the revocations of this machine from the time when Redis was down."""
        while alone := self._local.ended_alone():
            for number, name, value, until in alone:
                if not self._redis.end(name, value, until - time()):
                    return
                self._local.mark_shared(number)

    def _read(self) -> None:
        while page := self._redis.ended_after(self._last):
            for ident, name, value in page:
                self._last = ident
                opened = opened_end(self._sealer, name, value)
                if opened is not None:
                    self._note(*opened)
            gevent.sleep(0)

    def _note(self, session: str, at: float, until: float) -> None:
        if until > time() and not self._revocations.knows(session, at, until):
            self._revocations.end(session, at, until, shared=True)
