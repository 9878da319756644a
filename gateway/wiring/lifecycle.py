"""What lives: started stage by stage, closed in reverse; what stands on one stage is closed at once, so that no peer
that hangs takes another's time."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from enum import IntEnum, auto
from typing import Protocol

import gevent

log = logging.getLogger("gateway")


class Lifecycle(Protocol):
    """What owns a greenlet, a pool or a client."""

    def start(self) -> None: ...

    def close(self, deadline: float) -> None:
        """End it by `deadline`, a monotonic time."""


class Stage(IntEnum):
    """When a part starts, and after which others it is closed."""

    RECORDS = auto()  # log lines and metrics: last to go
    DELIVERY = auto()  # the connections of the exporters
    EXPORTERS = auto()  # what is delivered in the background
    CONNECTIONS = auto()  # to services and Keycloak
    STORE = auto()
    WATCHERS = auto()  # what looks at others now and then


Part = tuple[Stage, Lifecycle]
"""A part that lives, and when."""


def start(parts: Iterable[Part]) -> None:
    """Start them in the order of their stages."""
    for _, part in sorted(parts, key=lambda part: part[0]):
        part.start()


def close(parts: Iterable[Part], deadline: float) -> None:
    """Close them in reverse, each stage at once, all by `deadline`, a monotonic time."""
    parts = tuple(parts)
    for stage in reversed(Stage):
        gevent.joinall([gevent.spawn(_close, part, deadline) for found, part in parts if found is stage])


def _close(part: Lifecycle, deadline: float) -> None:
    try:
        part.close(deadline)
    except Exception:
        log.exception("%s could not be closed", type(part).__name__)
