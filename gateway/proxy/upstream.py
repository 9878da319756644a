"""One service as the gateway sees it: its instances, the calls under way, its retries, its counts."""

from __future__ import annotations

from gateway import errors
from gateway.instruments import ServiceMetrics
from gateway.proxy.concurrency import AdaptiveLimit
from gateway.proxy.instances import Instance, Instances
from gateway.proxy.retries import RetryBudget
from gateway.proxy.slots import FixedLimit, Slots
from gateway.transport import CallFault


class Upstream:
    """The instances of one service behind one bound.

    Calls that wait for a response and bodies that are passed on (uploads, downloads, event streams) have places of
    their own: what is slow because a client or an event is slow says nothing of what the service bears.
    """

    def __init__(
        self, name: str, base_urls: tuple[str, ...], in_flight: tuple[int, int], share: float, metrics: ServiceMetrics
    ) -> None:
        """`name` is the service's in logs; `base_urls` have no last slash; `in_flight` is floor and ceiling of the
        calls under way, `share` (0 to 1) what one user may have of them."""
        self.name = name
        self.metrics = metrics
        self.instances = Instances(base_urls)
        self.retries = RetryBudget()
        self.limit = AdaptiveLimit(*in_flight)
        self._calls = Slots(self.limit, share)
        self._transfers = Slots(FixedLimit(in_flight[1]), share)

    def enter(self, user: str, *, uploads: bool) -> Claim:
        """A place for one call of `user`'s; `release` ends it. `uploads`: its body is still arriving.

        Raises ServiceUnavailable where too many are under way, or the breakers of all instances are open.
        """
        try:
            if uploads:
                self._transfers.try_take(user)
                places = self._transfers
            else:
                self.limit.arrived(self._calls.taken)
                self._calls.take(user)
                places = self._calls
        except errors.ServiceUnavailable:
            self.metrics.failed("overload")
            raise
        self.retries.calls += 1
        self.metrics.calls.value = self._calls.taken + self._transfers.taken
        return Claim(self, places, user, is_call=not uploads)

    def choose(self, but: Instance | None) -> Instance:
        """The instance for one attempt, another than `but` where there is one. Raises ServiceUnavailable."""
        try:
            return self.instances.choose(but)
        except errors.ServiceUnavailable:
            self.metrics.failed("breaker_open")
            raise

    def answered(self, instance: Instance) -> None:
        """A call was answered, however badly."""
        if instance.breaker.failures:
            instance.breaker.succeeded()
            self.metrics.breaker_open(0)

    def failed(self, instance: Instance, fault: CallFault) -> None:
        """A call brought no whole response."""
        if not fault.unresponsive:
            self.answered(instance)
            return
        instance.breaker.failed()
        self.metrics.breaker_open(self.instances.are_unavailable)

    def transfer(self, claim: Claim) -> None:
        """The head is there and its body is still arriving: it is no call any more, but a transfer. Raises
        ServiceUnavailable where too many are under way."""
        if not claim.is_call:
            return
        try:
            self._transfers.try_take(claim.user)
        except errors.ServiceUnavailable:
            self.metrics.failed("overload")
            raise
        claim.places.give_back(claim.user)
        claim.places = self._transfers
        claim.is_call = False

    def leave(self, claim: Claim) -> None:
        """What `enter` gave is given back."""
        claim.places.give_back(claim.user)
        self.metrics.calls.value = self._calls.taken + self._transfers.taken


class Claim:
    """What one request holds of an upstream: a place, and an instance while one is asked. `is_call`: it waits for a
    response alone, so that its round trip is the service's."""

    __slots__ = ("instance", "is_call", "places", "upstream", "user")

    def __init__(self, upstream: Upstream, places: Slots, user: str, *, is_call: bool) -> None:
        self.upstream = upstream
        self.places = places
        self.user = user
        self.is_call = is_call
        self.instance: Instance | None = None

    def ask(self, but: Instance | None = None) -> Instance:
        """The instance of the next attempt, as `Upstream.choose`."""
        if self.instance is not None:
            self.instance.in_flight -= 1
            self.instance = None
        instance = self.instance = self.upstream.choose(but)
        instance.in_flight += 1
        return instance

    def release(self) -> None:
        """It is over."""
        if self.instance is not None:
            self.instance.in_flight -= 1
            self.instance = None
        self.upstream.leave(self)
