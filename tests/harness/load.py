"""Requests without a break, while something happens to the gateway."""

import time
from collections.abc import Callable, Iterator
from functools import partial

from harness import http
from harness.gateway import Gateway
from harness.lifetime import Threads


class Load(Threads):
    """Clients that ask all the time: two with a connection for each request, two that keep theirs.

    A kept connection may be closed just as the next request is on its way: then it asks
    once more on a new one, as a browser does. `slowest` is the longest that any answer took, in seconds.
    """

    def __init__(self, gateway: Gateway, headers: dict[str, str], path: str = "/users/me") -> None:
        self.gateway, self.headers, self.path = gateway, headers, path
        self.good = 0
        self.slowest = 0.0
        self.failures: list[str] = []
        clients = [self.fresh, self.fresh, self.keeping, self.keeping]
        super().__init__(*(partial(self.run, client) for client in clients), name="load")

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
