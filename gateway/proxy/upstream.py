"""One service as the gateway sees it: its instances, how many calls are under way, whether it may be called at all."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from gateway import errors
from gateway.instruments import ServiceMetrics
from gateway.proxy.breaker import Breaker
from gateway.transport import Timeouts

RETRY_BUDGET = 10.0
RETRY_BUDGET_RATIO = 0.1
AVOID_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class CallBounds:
    """What a call to a service may cost: `timeouts`, calls `in_flight`, and of a request's body `body_bytes` in all and
    `body_timeout` seconds between two reads. `total_to_head`: the total time-out ends with the answer's head."""

    timeouts: Timeouts
    in_flight: int
    body_bytes: int
    body_timeout: float
    total_to_head: bool = False


class Upstream:
    """The instances of one service in turn, bounded in calls under way, behind one breaker."""

    def __init__(self, name: str, base_urls: tuple[str, ...], bounds: CallBounds, metrics: ServiceMetrics) -> None:
        """`name` is the service's in logs; `base_urls` have no last slash."""
        self.name = name
        self.base_urls = base_urls
        self.bounds = bounds
        self.metrics = metrics
        self._breaker = Breaker()
        self.in_flight = 0
        self._turn = 0
        self._avoid_until: dict[int, float] = {}
        self._retries = RETRY_BUDGET

    def enter(self) -> None:
        """Count a call as under way; `leave` ends it. ServiceUnavailable where too many are, or the breaker is open."""
        if self.in_flight >= self.bounds.in_flight:
            self.metrics.failed("overload")
            raise errors.ServiceUnavailable(code=errors.ErrorCode.OVERLOADED)
        if not self._breaker.admits():
            self.metrics.failed("breaker_open")
            raise errors.ServiceUnavailable(self._breaker.retry_after(), errors.ErrorCode.BREAKER_OPEN)
        self.in_flight += 1
        self.metrics.calls.value = self.in_flight
        self._retries = min(RETRY_BUDGET, self._retries + RETRY_BUDGET_RATIO)

    def leave(self) -> None:
        """A call that entered is over."""
        self.in_flight -= 1
        self.metrics.calls.value = self.in_flight

    def answered(self) -> None:
        """A call was answered, however badly."""
        if self._breaker.failures:
            self._breaker.succeeded()
            self.metrics.breaker_open(0)

    def silent(self) -> None:
        """A call could not connect, or was too slow."""
        self._breaker.failed()
        self.metrics.breaker_open(self._breaker.is_open)

    @property
    def has_other_instances(self) -> bool:
        """Whether a call that failed on one instance can be tried on another."""
        return len(self.base_urls) > 1

    def next_base_url(self) -> str:
        """The base URL of the next instance in turn that was not unreachable lately, else of the next one."""
        count = len(self.base_urls)
        if count == 1:
            return self.base_urls[0]
        now = monotonic()
        turns = [(self._turn + step) % count for step in range(1, count + 1)]
        self._turn = next((turn for turn in turns if self._avoid_until.get(turn, 0.0) < now), turns[0])
        return self.base_urls[self._turn]

    def unreachable(self, base_url: str) -> None:
        """No connection could be had to this instance: the others are asked first for a while."""
        self._avoid_until[self.base_urls.index(base_url)] = monotonic() + AVOID_SECONDS

    def may_retry(self) -> bool:
        """Take one from the retry budget: a tenth of the calls, so that retries never double a service's load."""
        if self._retries < 1:
            return False
        self._retries -= 1
        self.metrics.retried()
        return True
