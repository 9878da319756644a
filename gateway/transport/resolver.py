"""Resolves names so that a name whose resolver hangs occupies one thread and delays no other name."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

import gevent
from gevent import monkey
from gevent.threadpool import ThreadPool

from gateway.transport.faults import ConnectError, ConnectTimedOut

FRESH_SECONDS = 5.0
"""How long an answer of the resolver is cached."""

STALE_SECONDS = 60.0
"""How long after that it is still used during another lookup, or if that fails (as in RFC 8767)."""

FAILURE_SECONDS = 1.0
"""How long a failure is cached."""

RESOLVING_THREADS = 64
"""The number of simultaneous lookups."""

Address = tuple[socket.AddressFamily, tuple[Any, ...]]
Lookup = Callable[[str, int], list[tuple[Any, ...]]]


def _getaddrinfo(host: str, port: int) -> list[tuple[Any, ...]]:
    """The system's resolver; it blocks its thread."""
    found: list[tuple[Any, ...]] = monkey.get_original("socket", "getaddrinfo")(host, port, type=socket.SOCK_STREAM)
    return found


def _outcome(lookup: Lookup, host: str, port: int) -> list[tuple[Any, ...]] | OSError:
    """What is found, or the error: one that is raised in a thread of gevent's is printed with its traceback."""
    try:
        return lookup(host, port)
    except OSError as error:
        return error


@dataclass(slots=True)
class _Name:
    """The cache entry of one name; times are monotonic."""

    addresses: tuple[Address, ...] = ()
    fresh_until: float = 0.0
    stale_until: float = 0.0
    lookup: gevent.Greenlet[..., None] | None = None


class Resolver:
    """Addresses of names: numeric ones at once, others by one lookup at a time for each name, cached for some seconds.

    It has its own threads: gevent's ten serve everything else too, and ten calls to one hanging name would occupy them.
    """

    def __init__(self, lookup: Lookup = _getaddrinfo, now: Callable[[], float] = monotonic) -> None:
        """`lookup` returns the result of `socket.getaddrinfo`, and may block."""
        self._lookup = lookup
        self._now = now
        self._pool: ThreadPool | None = None
        self._names: dict[tuple[str, int], _Name] = {}  # bounded by the configuration: only its peers are called

    def addresses(self, host: str, port: int, timeout: float) -> tuple[Address, ...]:
        """The addresses in the order in which to try them (RFC 8305 section 4).

        Raises ConnectTimedOut if the resolver does not answer within `timeout` seconds, ConnectError for an unknown
        name.
        """
        numeric = numeric_address(host, port)
        if numeric is not None:
            return (numeric,)
        name = self._names.setdefault((host, port), _Name())
        now = self._now()
        if now >= name.fresh_until:
            if name.lookup is None:
                name.lookup = gevent.spawn(self._refresh, host, port, name)
            if now >= name.stale_until:
                name.lookup.join(timeout)
                if name.lookup is not None:
                    raise ConnectTimedOut("its name was not resolved in time")
        if not name.addresses:
            raise ConnectError("its name is not known")
        return name.addresses

    def _refresh(self, host: str, port: int, name: _Name) -> None:
        if self._pool is None:
            self._pool = ThreadPool(RESOLVING_THREADS)
        try:
            found = self._pool.apply(_outcome, (self._lookup, host, port))
            if isinstance(found, OSError):
                raise found
        except OSError:
            if self._now() >= name.stale_until:
                name.addresses = ()
            name.fresh_until = self._now() + FAILURE_SECONDS
            name.stale_until = max(name.stale_until, name.fresh_until)
        else:
            name.addresses = _interleaved([(row[0], row[4]) for row in found])
            name.fresh_until = self._now() + FRESH_SECONDS
            name.stale_until = name.fresh_until + STALE_SECONDS
        finally:
            name.lookup = None


def numeric_address(host: str, port: int) -> Address | None:
    """The numeric address in `host`, None if it is a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return family, (host, port)
    return None


def _interleaved(addresses: list[Address]) -> tuple[Address, ...]:
    """The resolver's order with alternating families (RFC 8305 section 4)."""
    unique = list(dict.fromkeys(addresses))
    first = [address for address in unique if address[0] == unique[0][0]]
    other = [address for address in unique if address[0] != unique[0][0]]
    paired = [address for pair in zip(first, other, strict=False) for address in pair]
    return (*paired, *first[len(other) :], *other[len(first) :])
