"""The services' own API descriptions: read in the background, at start and regularly, and kept through outages."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import gevent
import orjson
from requests import RequestException

from gateway.transport import SealedSession, Timeouts, loggable

log = logging.getLogger("gateway.descriptions")

_READ_SECONDS = 300.0
_RETRY_SECONDS = 10.0
_DOCUMENT_BYTES = 3 << 18
_TIMEOUTS = Timeouts(connect=2.0, read=5.0, total=10.0)


class DescriptionFault(Exception):
    """A service's description cannot be used; the message is for the log."""


@dataclass(frozen=True, slots=True, eq=False)
class ServiceDocuments:
    """The documents by the name of their service: a new object whenever one of them has changed."""

    by_name: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))


class Descriptions:
    """The documents as last read. A document that is missing or unusable causes one log line per reason, and what was
    read before stays. No request waits for a document."""

    def __init__(self, session: SealedSession, urls: Mapping[str, str]) -> None:
        """`urls` of the documents, by the name of their service."""
        self._session = session
        self._urls = urls
        self._unread: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        self._readers: list[gevent.Greenlet[[str, str], None]] = []
        self.documents = ServiceDocuments()

    def start(self) -> None:
        """Begin to read them, each in a greenlet."""
        self._readers = [gevent.spawn(self._keep_reading, name, url) for name, url in self._urls.items()]

    def close(self, deadline: float) -> None:
        """Stop reading, at the latest at `deadline`."""
        gevent.killall(self._readers, timeout=max(0.0, deadline - time.monotonic()))

    def refuse(self, name: str, why: str) -> None:
        """Log that the document of this service, as last read, is left out, once per document and reason."""
        self._log_once(self._refused, name, why)

    def _log_once(self, logged: dict[str, str], name: str, why: str) -> None:
        if logged.get(name) != why:
            logged[name] = why
            log.warning("Description: %s's is left out, from %s: %s", name, self._urls.get(name), why)

    def _keep_reading(self, name: str, url: str) -> None:
        while True:
            good = self._try_reading(name, url)
            gevent.sleep(_READ_SECONDS if good else _RETRY_SECONDS)

    def _try_reading(self, name: str, url: str) -> bool:
        try:
            document = self._read(url)
        except DescriptionFault as fault:
            self._log_once(self._unread, name, str(fault))
            return False
        except RequestException as error:
            self._log_once(self._unread, name, f"no answer ({loggable(error)})")
            return False
        self._unread.pop(name, None)
        if self.documents.by_name.get(name) != document:
            self._refused.pop(name, None)
            self.documents = ServiceDocuments(MappingProxyType({**self.documents.by_name, name: document}))
            log.info("Description: %s's is read", name)
        return True

    def _read(self, url: str) -> Mapping[str, Any]:
        """The JSON object at `url`, no deeper than can be written. Raises DescriptionFault if there is none,
        RequestException without a response."""
        status, text = self._session.document(url, _TIMEOUTS, _DOCUMENT_BYTES)
        if status != 200:
            raise DescriptionFault(f"status {status}")
        if len(text) > _DOCUMENT_BYTES:
            raise DescriptionFault(f"it is longer than {_DOCUMENT_BYTES:,} bytes")
        try:
            document = orjson.loads(text)
        except ValueError:
            raise DescriptionFault("it is not JSON") from None
        if not isinstance(document, dict):
            raise DescriptionFault("it is not a JSON object")
        try:
            orjson.dumps(document)
        except TypeError:
            raise DescriptionFault("it is nested too deeply") from None
        return document
