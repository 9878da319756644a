"""Counters in Redis, shared by all machines, with one round trip for concurrent requests."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha1
from time import monotonic
from typing import Any

import hiredis

from gateway.store.redis_faults import NotRedis, of_reply
from gateway.store.redis_pipeline import Pipeline

# KEYS: the counter. ARGV: how much to add, the window's length, what the machine knows of the counter, how long the
# window lasts that it knows. A window longer than its length is one of a Redis whose clock was set back.
_SCRIPT = b"""
local amount, window, known = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local count = redis.call('INCRBY', KEYS[1], amount)
local left = redis.call('PTTL', KEYS[1])
if count - amount < known then
  count, left = known + amount, tonumber(ARGV[4])
  redis.call('SET', KEYS[1], count, 'PX', left)
elseif left < 0 or left > window then
  left = window
  redis.call('PEXPIRE', KEYS[1], left)
end
return {count, left}
"""


class RedisCounters:
    """Counts by a script, called by its hash (EVALSHA), and sent where Redis does not have it (EVAL)."""

    def __init__(self, connection: Callable[[], Any], prefix: str, timeout: float) -> None:
        """See `Pipeline`; `prefix` begins every key."""
        self._pipeline = Pipeline(connection, timeout)
        self._prefix = prefix.encode()
        self._by_hash = _packed(b"EVALSHA", sha1(_SCRIPT, usedforsecurity=False).hexdigest().encode(), b"1")
        self._by_text = _packed(b"EVAL", _SCRIPT, b"1")
        self.open = self._pipeline.open
        self.close = self._pipeline.close

    @property
    def ready(self) -> bool:
        """Whether it is connected."""
        return self._pipeline.ready

    @property
    def idle(self) -> float:
        """Seconds since the last command."""
        return monotonic() - self._pipeline.used

    def count(self, name: bytes, amount: int, window: float, known: int, known_left: float) -> tuple[int, float]:
        """Add `amount` to a counter. Returns the new count and the seconds until the window ends, which began with the
        first count. `known`: the count this machine knows, in a window with `known_left` seconds left; Redis continues
        from it if its own is lower. Raises RedisFault."""
        length = max(1, int(window * 1000))
        arguments = _packed(
            self._prefix + name.hex().encode(),
            b"%d" % amount, b"%d" % length, b"%d" % known, b"%d" % max(1, int(known_left * 1000)),
        )  # fmt: skip
        reply = self._pipeline.call(b"*8\r\n" + self._by_hash + arguments)
        if isinstance(reply, hiredis.ReplyError) and str(reply).startswith("NOSCRIPT"):
            reply = self._pipeline.call(b"*8\r\n" + self._by_text + arguments)
        match reply:
            case [int(count), int(left)] if count >= amount and 0 <= left <= length:
                return count, left / 1000
            case hiredis.ReplyError():
                raise of_reply(str(reply))
        raise NotRedis


def _packed(*words: bytes) -> bytes:
    """A command in the format of the protocol."""
    return b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])
