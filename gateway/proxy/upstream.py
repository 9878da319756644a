"""The upstream of one service: its instances, calls in flight, retries and counters."""

from __future__ import annotations

from gateway import errors
from gateway.instruments import ServiceMetrics
from gateway.proxy.concurrency import AdaptiveLimit
from gateway.proxy.instances import Instance, Instances
from gateway.proxy.retries import RetryBudget
from gateway.proxy.slots import FixedLimit, Slots
from gateway.transport import CallFault


class Upstream:
    """The instances of one service with a common limit.

    Calls that wait for a response and bodies in transfer (uploads, downloads, event streams) have separate slots: a
    transfer that is slow because of a client or an event says nothing about the capacity of the service.
    """

    def __init__(
        self, name: str, base_urls: tuple[str, ...], in_flight: tuple[int, int], share: float, metrics: ServiceMetrics
    ) -> None:
        """`name` is that of the service in logs; `base_urls` have no trailing slash; `in_flight` is floor and ceiling
        of the calls in flight, `share` (0 to 1) the part of them for one user."""
        self.name = name
        self.metrics = metrics
        self.instances = Instances(base_urls)
        self.retries = RetryBudget()
        self.limit = AdaptiveLimit(*in_flight)
        self._calls = Slots(self.limit, share)
        self._transfers = Slots(FixedLimit(in_flight[1]), share)

    def enter(self, user: str, *, uploads: bool) -> Claim:
        """A slot for one call of `user`; `release` it afterwards. `uploads`: its body is still arriving.

        Raises ServiceUnavailable if too many are in flight.
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
        self.metrics.calls.value += 1
        return Claim(self, places, user, is_call=not uploads)

    def answered(self, instance: Instance) -> None:
        """A call was answered, even with an error."""
        if instance.breaker.failures:
            instance.breaker.succeeded()
            self.metrics.breaker_open(0)

    def failed(self, instance: Instance, fault: CallFault) -> None:
        """A call got no complete response."""
        if not fault.unresponsive:
            self.answered(instance)
            return
        instance.breaker.failed()
        self.metrics.breaker_open(self.instances.are_unavailable)

    def transfer(self, claim: Claim) -> None:
        """The head has arrived and the body is still arriving: the call becomes a transfer. Raises ServiceUnavailable
        if too many are in flight."""
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


class Claim:
    """The part of an upstream that one request holds: a slot, and an instance during a call. `is_call`: it only waits
    for a response, so its round trip is the service's."""

    __slots__ = ("instance", "is_call", "places", "upstream", "user")

    def __init__(self, upstream: Upstream, places: Slots, user: str, *, is_call: bool) -> None:
        self.upstream = upstream
        self.places = places
        self.user = user
        self.is_call = is_call
        self.instance: Instance | None = None

    def ask(self, but: Instance | None = None) -> Instance:
        """The instance of the next attempt; not `but`, if there is another one. Raises ServiceUnavailable if the
        breakers of all are open."""
        if self.instance is not None:
            self.instance.in_flight -= 1
            self.instance = None
        instance = self.instance = self.upstream.instances.choose(but)
        instance.in_flight += 1
        return instance

    def release(self) -> None:
        """Release everything."""
        if self.instance is not None:
            self.instance.in_flight -= 1
            self.instance = None
        self.places.give_back(self.user)
        self.upstream.metrics.calls.value -= 1
