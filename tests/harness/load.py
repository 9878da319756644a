"""Requests without a break, while something happens to the gateway."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Self

from harness import http
from harness.gateway import Gateway


class Load:
    """Clients that ask all the time: two with a connection for each request, two that keep theirs.

    A kept connection may be closed just as the next request is on its way: then it asks
    once more on a new one, as a browser does. `slowest` is the longest that any answer took, in seconds.
    """

    def __init__(self, gateway: Gateway, headers: dict[str, str], path: str = "/users/me") -> None:
        self.gateway, self.headers, self.path = gateway, headers, path
        self.done = threading.Event()
        self.good = 0
        self.slowest = 0.0
        self.failures: list[str] = []
        clients = [self.fresh, self.fresh, self.keeping, self.keeping]
        self.threads = [threading.Thread(target=self.run, args=(client,), name="load") for client in clients]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        for thread in self.threads:
            thread.join(20)

    def run(self, client: Callable[[], Iterator[http.Answer]]) -> None:
        began = time.monotonic()
        try:
            for answer in client():
                self.slowest = max(self.slowest, time.monotonic() - began)
                if answer.status != 200 or not answer.complete:
                    self.failures.append(f"{answer.status} complete={answer.complete} {answer.body[:200]!r}")
                self.good += 1
                began = time.monotonic()
        except Exception as error:
            self.failures.append(repr(error))

    def fresh(self) -> Iterator[http.Answer]:
        while not self.done.is_set():
            yield http.request(self.gateway.port, "GET", self.path, self.headers, timeout=15)

    def keeping(self) -> Iterator[http.Answer]:
        while not self.done.is_set():
            with http.Connection(self.gateway.port, timeout=15) as connection:
                yield self.ask(connection)
                try:
                    while not self.done.is_set() and not connection.closed(0):
                        yield self.ask(connection)
                except (http.NoAnswerError, BrokenPipeError, ConnectionResetError):
                    pass

    def ask(self, connection: http.Connection) -> http.Answer:
        connection.request("GET", self.path, self.headers)
        return connection.receive()
