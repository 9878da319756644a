"""One connection to Redis for many requests: what a wait on it costs the others."""

import socket
from typing import Any

import gevent
import pytest
from redis import Connection

from gateway.store.redis_faults import TooSlow
from gateway.store.redis_pipeline import LOOK_SECONDS, Pipeline, recorded

LOOKS = 6


def test_a_reply_that_does_not_come_keeps_the_loop_free() -> None:
    """It is looked after a few times, and not in each turn of the loop."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        kind: Any = recorded(Connection)
        host, port = silent.getsockname()
        pipeline = Pipeline(
            lambda: kind(host=host, port=port, protocol=2, driver_info=None),
            LOOKS * LOOK_SECONDS,
        )
        pipeline.open()
        loop = gevent.get_hub().loop
        before = loop.iteration
        with pytest.raises(TooSlow):
            pipeline.call(b"*1\r\n$4\r\nPING\r\n")
        assert loop.iteration - before < 10 * LOOKS
