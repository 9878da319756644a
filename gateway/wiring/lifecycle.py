"""Starts parts stage by stage and closes them in reverse. The parts of one stage are closed concurrently, so that a
hanging peer does not take the time of the others."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from enum import IntEnum, auto
from typing import Protocol

import gevent

log = logging.getLogger("gateway")


class Lifecycle(Protocol):
    """An object that owns a greenlet, a pool or a client."""

    def start(self) -> None: ...

    def close(self, deadline: float) -> None:
        """Stop by `deadline`, a monotonic time."""


class Stage(IntEnum):
    """The order in which parts are started; they are closed in reverse."""

    RECORDS = auto()  # log lines and metrics: closed last
    DELIVERY = auto()  # the connections of the exporters
    EXPORTERS = auto()  # background delivery
    CONNECTIONS = auto()  # to services and Keycloak
    STORE = auto()
    WATCHERS = auto()  # periodic checks


Part = tuple[Stage, Lifecycle]
"""A part with its stage."""


def start(parts: Iterable[Part]) -> None:
    """Start the parts in the order of their stages."""
    for _, part in sorted(parts, key=lambda part: part[0]):
        part.start()


def close(parts: Iterable[Part], deadline: float) -> None:
    """Close the parts in reverse order, each stage concurrently, all by `deadline`, a monotonic time."""
    parts = tuple(parts)
    for stage in reversed(Stage):
        gevent.joinall([gevent.spawn(_close, part, deadline) for found, part in parts if found is stage])


def _close(part: Lifecycle, deadline: float) -> None:
    try:
        part.close(deadline)
    except Exception:
        log.exception("%s could not be closed", type(part).__name__)
