"""Two instances of a service, one of which hangs: how many calls are answered, by a model with a clock of its own.

`python -m bench.instances` prints it for ten minutes at 50 requests a second. The choice, the ejection, the breaker and
the retry budget are the gateway's own; the clock, the instances and their times are the model's.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from gateway import errors
from gateway.proxy.instances import Instance, Instances
from gateway.proxy.retries import RetryBudget

SECONDS = 600.0
RATE = 50.0
ANSWER_SECONDS = 0.02
READ_TIMEOUT = 30.0


@dataclass
class Outcome:
    """What became of the calls."""

    calls: int = 0
    answered: int = 0
    retried: int = 0
    asked: dict[str, int] = field(default_factory=dict)

    @property
    def answered_share(self) -> float:
        return self.answered / self.calls


class Model:
    """Events in the order of their times."""

    def __init__(self, hanging: str, *, idempotent: bool) -> None:
        self.now = 0.0
        self._hanging = hanging
        self._idempotent = idempotent
        self._instances = Instances(["http://a", "http://b"], lambda: self.now)
        self._budget = RetryBudget()
        self._ends: list[tuple[float, int, Instance, bool]] = []
        self._order: Iterator[int] = count()
        self.outcome = Outcome()

    def run(self) -> Outcome:
        arrivals = (number / RATE for number in range(int(SECONDS * RATE)))
        for at in arrivals:
            self._until(at)
            self.now = at
            self.outcome.calls += 1
            self._budget.calls += 1
            self._ask(None)
        self._until(float("inf"))
        return self.outcome

    def _ask(self, failed: Instance | None) -> None:
        try:
            instance = self._instances.choose(failed)
        except errors.ServiceUnavailable:
            return
        instance.in_flight += 1
        self.outcome.asked[instance.name] = self.outcome.asked.get(instance.name, 0) + 1
        hangs = instance.name == self._hanging
        end = self.now + (READ_TIMEOUT if hangs else ANSWER_SECONDS)
        heapq.heappush(self._ends, (end, next(self._order), instance, failed is not None))

    def _until(self, at: float) -> None:
        while self._ends and self._ends[0][0] <= at:
            self.now, _, instance, is_retry = heapq.heappop(self._ends)
            instance.in_flight -= 1
            if instance.name != self._hanging:
                instance.breaker.succeeded()
                self.outcome.answered += 1
                continue
            instance.breaker.failed()
            if self._idempotent and not is_retry and self._budget.spend():
                self.outcome.retried += 1
                self._ask(instance)


def simulate(*, idempotent: bool) -> Outcome:
    """Ten minutes in which one of two instances hangs."""
    return Model("a", idempotent=idempotent).run()


if __name__ == "__main__":
    for method, idempotent in (("GET", True), ("POST", False)):
        outcome = simulate(idempotent=idempotent)
        print(
            f"{method}: {outcome.answered} of {outcome.calls} answered ({outcome.answered_share:.2%}),"
            f" {outcome.retried} of them by a retry; asked: {outcome.asked}"
        )
