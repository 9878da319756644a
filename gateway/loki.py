"""Sends log lines to Loki with its push API (`POST /loki/api/v1/push`)."""

from __future__ import annotations

import gzip
import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import orjson

from gateway.batches import Batches, Bounds, place, post
from gateway.logs import ORIGIN
from gateway.transport import SealedSession

LOGGER = "gateway.loki"
"""The logger of Loki's outages. Its lines are not sent to Loki: each would lengthen the queue that it reports."""

HELD = Bounds(items=20_000, size=8 << 20)
Line = tuple[int, str, bytes, int | None]
"""Nanoseconds since 1970, level, encoded line, and the process that wrote it if that was another one."""

BATCH_BOUNDS = Bounds(items=1_000, size=256 << 10)  # packing it takes the worker 2 ms

log = logging.getLogger(LOGGER)


def push_url(url: str) -> str:
    """The push API of the Loki at `url` (LOKI_HOST), with or without a path before its API."""
    return url.rstrip("/") + "/loki/api/v1/push"


def tenant_header(tenant: str | None) -> Mapping[str, str]:
    """The header that names the tenant (LOKI_TENANT) to every API of Loki."""
    return {"X-Scope-OrgID": tenant} if tenant else {}


def push_body(lines: Iterable[Line]) -> bytes:
    """The JSON of a push."""
    streams: dict[tuple[str, int], list[tuple[str, str]]] = defaultdict(list)
    own = os.getpid()
    for at, level, line, pid in lines:
        streams[level, pid or own].append((str(at), line.decode().rstrip("\n")))
    return orjson.dumps(
        {
            "streams": [
                {"stream": {**ORIGIN, "pid": str(pid), "level": level}, "values": values}
                for (level, pid), values in streams.items()
            ]
        }
    )


class Loki:
    """Lines to be sent to Loki. The only labels are `service`, `host`, `pid` and `level`, because each set of labels is
    a separate stream in Loki; other values are searched for in the line (`| json`)."""

    def __init__(self, url: str, tenant: str | None, session: SealedSession, dropped: Callable[[int], None]) -> None:
        """`url` is LOKI_HOST, `tenant` LOKI_TENANT. `dropped` is called with the number of lost lines. Connects to
        nothing."""
        self._url = push_url(url)
        self._session = session
        self._headers = {"Content-Type": "application/json", "Content-Encoding": "gzip", **tenant_header(tenant)}
        self._batches = Batches(
            f"Loki (LOKI_HOST, {place(url)})", self._send, dropped, log, held=HELD, batch=BATCH_BOUNDS
        )

    def start(self) -> None:
        """Start sending."""
        self._batches.start()

    def close(self, deadline: float) -> None:
        """Send what is left, and stop by `deadline`, a monotonic time."""
        self._batches.close(deadline)

    def put(self, at: int, level: str, line: bytes, pid: int | None = None) -> None:
        """Queue one encoded line; `at` is its time in nanoseconds since 1970, `pid` the process that wrote it if that
        was another one. Never waits, never raises."""
        self._batches.put((at, level, line, pid), len(line))

    def _send(self, lines: list[Line]) -> None:
        post(self._session, self._url, gzip.compress(push_body(lines), compresslevel=1), self._headers)
