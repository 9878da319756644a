"""What each part of the gateway counts in: its own metrics, and no others."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from gateway.instruments.held import Durations, Level, Responses


class TokenMetrics:
    """What is counted of access tokens."""

    def __init__(self, duration: Durations, errors: Counter) -> None:
        self.took = duration.observe
        self._errors = errors

    def failed(self, reason: str) -> None:
        """A token was refused; `reason` is a word of the gateway's own."""
        self._errors.labels(reason).inc()


class EventMetrics:
    """What is counted of the events for Kafka."""

    def __init__(self, sent: Counter, failed: Counter, dropped: Counter, queued: Gauge) -> None:
        self.sent = sent.inc
        self.failed = failed.inc
        self.dropped = dropped.inc
        self.queued = queued.set


class ServiceMetrics:
    """What is counted of the calls to one service."""

    def __init__(
        self,
        name: str,
        duration: Durations,
        errors: Counter,
        retries: Counter,
        calls: Level,
        breaker: Gauge,
        responses: Responses,
    ) -> None:
        self._name = name
        self._errors = errors
        self.answered = duration.observe
        self.retried = retries.inc
        self.calls = calls
        self.breaker_open = breaker.set
        self.responded = responses.count

    def failed(self, kind: str) -> None:
        """A call brought no whole answer; `kind` is a word of the gateway's own."""
        self._errors.labels(self._name, kind).inc()
