"""Health of the gateway's dependencies: probed concurrently, with a time limit, cached for a few seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum, auto
from time import monotonic

import gevent
from gevent.lock import RLock
from requests import RequestException

from gateway.transport import SealedSession, Timeouts

CACHED_SECONDS = 3.0
LIMIT = Timeouts(connect=1.0, read=2.0, total=2.0)
LIMIT_SECONDS = 2.5

Probe = Callable[[], bool]


class Unready(StrEnum):
    """Why no requests should be sent here: Keycloak's keys were never read, or this is about to stop."""

    KEYCLOAK_KEYS_UNREAD = auto()
    STOPPING = auto()


def service(session: SealedSession, base_urls: tuple[str, ...]) -> Probe:
    """Healthy if an instance answers `GET <base>/health` with any status below 500."""

    def probe() -> bool:
        asked = [gevent.spawn(_status, session, base_url + "/health") for base_url in base_urls]
        try:
            return any((greenlet.value or 599) < 500 for greenlet in gevent.iwait(asked))
        finally:
            gevent.killall(asked, block=False)

    return probe


def issuer(session: SealedSession, url: str, name: str) -> Probe:
    """Healthy if the discovery document at `url` can be read and names the issuer `name`."""

    def probe() -> bool:
        try:
            with session.get(url, timeout=LIMIT) as response:  # type: ignore[arg-type]
                document = response.json()
        except (RequestException, ValueError, RecursionError):
            return False
        return response.status_code == 200 and isinstance(document, dict) and document.get("issuer") == name

    return probe


def _status(session: SealedSession, url: str) -> int:
    try:
        with session.get(url, timeout=LIMIT, stream=True) as response:  # type: ignore[arg-type]
            return response.status_code
    except RequestException:
        return 599


class Probes:
    """The probes by their names in `/health`."""

    def __init__(self, probes: Mapping[str, Probe]) -> None:
        self._probes = dict(probes)
        self._found: dict[str, bool] = {}
        self._found_at = -CACHED_SECONDS
        self._probing = RLock()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the probes."""
        return tuple(self._probes)

    def look(self) -> dict[str, bool]:
        """The result of each probe, at most CACHED_SECONDS old; concurrent callers share one run."""
        with self._probing:
            if monotonic() - self._found_at >= CACHED_SECONDS:
                self._found = self._probe()
                self._found_at = monotonic()
            return self._found

    def _probe(self) -> dict[str, bool]:
        asked = {name: gevent.spawn(probe) for name, probe in self._probes.items()}
        gevent.joinall(list(asked.values()), timeout=LIMIT_SECONDS)
        found = {name: bool(greenlet.ready() and greenlet.value) for name, greenlet in asked.items()}
        gevent.killall([greenlet for greenlet in asked.values() if not greenlet.ready()], block=False)
        return found
