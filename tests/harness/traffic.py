"""Clients of the public address that read and write all the time, while something happens to the gateways behind it."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from harness import http
from harness.nginx import Public

CLIENTS = ("GET", "GET", "POST", "POST")
PAUSE = 0.002
"""Seconds between a client's requests: two cores are for gateways, nginx and clients."""


class Traffic:
    """Counts by method: `answered` with 2xx; `lost` is every other end, in words."""

    def __init__(self, public: Public, headers: dict[str, str], paths: dict[str, str], *, timeout: float = 60) -> None:
        self.answered: Counter[str] = Counter()
        self.lost: list[str] = []
        self._public, self._headers, self._paths, self._timeout = public, headers, paths, timeout
        self._done = threading.Event()

    @contextmanager
    def flowing(self) -> Iterator["Traffic"]:
        """While it is entered; the requests under way at the end are waited for."""
        threads = [threading.Thread(target=self._run, args=(method,), name="traffic") for method in CLIENTS]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._done.set()
            for thread in threads:
                thread.join(self._timeout + 5)

    def lost_of(self, method: str) -> list[str]:
        return [line for line in self.lost if line.startswith(method)]

    def _run(self, method: str) -> None:
        while not self._done.is_set():
            try:
                self._converse(method)
            except OSError as error:
                self.lost.append(f"{method}: {error!r}")

    def _converse(self, method: str) -> None:
        """On one connection, which nginx ends after a thousand requests."""
        with self._public.connect(self._timeout) as connection:
            while not self._done.is_set():
                self._ask(connection, method)
                if connection.closed(0):
                    return
                time.sleep(PAUSE)

    def _ask(self, connection: http.Connection, method: str) -> None:
        pairs = [("Host", self._public.host), *self._headers.items()]
        body = b'{"a": 1}' if method == "POST" else None
        if body:
            pairs.append(("Content-Type", "application/json"))
        connection.request(method, self._public.root + self._paths[method], pairs, body)
        answer = connection.receive()
        if answer.status == 200 and answer.complete:
            self.answered[method] += 1
        else:
            self.lost.append(f"{method}: {answer.status} complete={answer.complete} {answer.body[:100]!r}")
