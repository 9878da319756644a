"""Owns pykafka's greenlets, so that a client can be discarded completely.

A pykafka producer does not recover when its broker dies, and cannot be stopped: after some seconds its workers have
ended with an exception, `produce()` raises it after it has queued the message, `stop()` waits for the ended workers,
and then raises too. Therefore it is discarded instead of stopped, in three steps:

1. Its greenlets are killed: a remaining one would use a deleted producer (a ReferenceError on standard error) or,
   worse, send events that another client has sent again meanwhile.
2. `_running` is set to False, because the producer's `__del__` calls `stop()`.
3. `RequestHandler.__del__` waits until all its requests are done, in the greenlet that drops the last reference, even
   one of a request. The requests of a discarded client are never done, so its queue does not wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
from gevent.pool import Group
from gevent.queue import JoinableQueue
from pykafka.cluster import Cluster
from pykafka.handlers import GEventHandler
from pykafka.producer import Producer


class _Requests(JoinableQueue):  # type: ignore[type-arg]  # it takes none at run time
    """The requests of one connection."""

    def join(self, timeout: float | None = None) -> bool:
        """Does not wait (3): responses are awaited elsewhere."""
        return True


class Greenlets(GEventHandler):
    """Creates and owns all greenlets of a pykafka client."""

    Queue = _Requests

    def __init__(self) -> None:
        self._group = Group()

    def spawn(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> gevent.Greenlet[..., Any]:
        """The signature that pykafka expects; greenlets have no name."""
        kwargs.pop("name", None)
        return self._group.spawn(target, *args, **kwargs)

    def end(self) -> None:
        """Kill all greenlets (1)."""
        self._group.kill(timeout=1.0)


def discard(handler: Greenlets, cluster: Cluster | None, producer: Producer | None) -> None:
    """Discard a client."""
    if producer is not None:
        producer._running = False  # 2
    handler.end()
    for broker in cluster.brokers.values() if cluster is not None else ():
        if broker._connection is not None:
            broker._connection.disconnect()
