"""Where pykafka's greenlets live, so that all of a client can be thrown away.

A pykafka producer whose broker died is dead for ever, and can not be stopped: after some seconds its workers have ended
with an exception, `produce()` raises it after it has queued the message, `stop()` waits for workers that are no more,
and then raises too. So it is not stopped but thrown away, and that takes three things:

1. Its greenlets are ended from outside: one that went on would touch a producer that is gone (a ReferenceError on
   standard error) or, worse, still send what another client has sent again meanwhile.
2. `_running` is set to False: the producer's `__del__` calls `stop()`.
3. `RequestHandler.__del__` waits until all its requests are done, in whatever greenlet drops the last reference, a
   request's too. The requests of what was thrown away are never done: its queue does not wait.
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
        """Waits for nothing (3): who wants an answer waits for it elsewhere."""
        return True


class Greenlets(GEventHandler):
    """What pykafka makes its greenlets with; these are all its own."""

    Queue = _Requests

    def __init__(self) -> None:
        self._group = Group()

    def spawn(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> gevent.Greenlet[..., Any]:
        """As pykafka asks; greenlets have no name."""
        kwargs.pop("name", None)
        return self._group.spawn(target, *args, **kwargs)

    def end(self) -> None:
        """End them all (1)."""
        self._group.kill(timeout=1.0)


def discard(handler: Greenlets, cluster: Cluster | None, producer: Producer | None) -> None:
    """Throw away what there is of a client."""
    if producer is not None:
        producer._running = False  # 2
    handler.end()
    for broker in cluster.brokers.values() if cluster is not None else ():
        if broker._connection is not None:
            broker._connection.disconnect()
