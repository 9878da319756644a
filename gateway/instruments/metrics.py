"""Every metric, defined once: its name, its labels, its buckets; and what the parts of the gateway say to it.

Children are kept, so that counting one request is 10 us in all. With several workers the values are in files that all
of them read (prometheus_client's multi-process mode, chosen by `PROMETHEUS_MULTIPROC_DIR` before it is imported).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import gevent
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gateway import http_methods
from gateway.instruments.exemplars import OF_CALL, OF_REQUEST, Exemplars
from gateway.instruments.held import Durations, Level, NotCounted, RequestCounts, Responses
from gateway.instruments.parts import EventMetrics, ServiceMetrics, TokenMetrics
from gateway.metrics_files import OwnFiles
from gateway.version import COMMIT, VERSION

log = logging.getLogger("gateway")

# A gateway's own part is a millisecond; what is over a minute is a stream.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
TOKEN_BUCKETS = (0.00001, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.025, 0.1, 0.5, 2.5)

LAGS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

WRITE_SECONDS = 1.0
"""What was counted is written this often, and before this worker tells its metrics."""


class Instruments:
    """The metrics of one worker."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        of_request = ("method", "route", "status")
        self._duration = self._histogram(
            OF_REQUEST, "From a request's head to the end of its answer.", of_request, BUCKETS
        )
        self._total = self._counter("http_requests_total", "Requests that were answered.", of_request)
        self._failed = self._counter("http_request_errors_total", "Answers with a status of 400 or more.", of_request)
        self._held: list[Any] = []
        self.exemplars = self._held_until_written(Exemplars(BUCKETS))
        self.active = self._held_until_written(Level(self._gauge("active_connections", "Requests under way.")))
        self.tokens = self._token_metrics()
        self._proxy_duration = self._histogram(
            OF_CALL,
            "From a service's turn to the head of its answer, retries included.",
            ("service",),
            BUCKETS,
        )
        self._proxy_errors = self._counter(
            "service_proxy_errors_total", "Calls to a service that brought no whole answer.", ("service", "kind")
        )
        self._responses = self._counter(
            "service_responses_total",
            "Responses of services, by the instance that gave them.",
            ("service", "instance", "status"),
        )
        self._proxy_retries = self._counter("service_proxy_retries_total", "Calls made once more.", ("service",))
        self._calls = self._gauge("service_calls_in_flight", "Calls to a service under way.", ("service",))
        self._open = self._gauge("service_breaker_open", "Workers whose breaker is open.", ("service",))
        self._limited = self._counter("rate_limit_hits_total", "Requests over a rate limit.", ("rule",))
        self._limits_unshared = self._gauge("rate_limits_unshared", "Workers that count rate limits by themselves.")
        self._files = self._own_files()
        self._redis_away = self._gauge("redis_fallback", "Workers that go on without the Redis they should use.")
        self._lines_dropped = self._dropped_lines()
        self.loop_lag = self._loop_lag()
        self._spans_dropped = self._counter("spans_dropped_total", "Spans that did not reach their collector.")
        self.events = self._event_metrics()
        build = self._gauge("gateway_build_info", "Which gateway this is; always 1.", ("version", "commit"), "max")
        build.labels(VERSION, COMMIT).set(1)
        self._answer = cache(self._children)  # bounded: routes and methods are the gateway's, statuses three digits

    def _own_files(self) -> OwnFiles:
        files = OwnFiles()
        self._gauge("metrics_unshared", "Workers that report only their own metrics.").set(files.are_missing)
        return files

    def _dropped_lines(self) -> dict[str, Counter]:
        dropped = self._counter(
            "log_lines_dropped_total", "Log lines that did not reach standard output or Loki.", ("where",)
        )
        return {where: dropped.labels(where) for where in ("stdout", "loki")}

    def _loop_lag(self) -> Durations:
        text = "How late the loop of a worker is, seen four times a second."
        held: Durations = self._held_until_written(Durations(self._histogram("event_loop_lag_seconds", text, (), LAGS)))
        return held

    def _token_metrics(self) -> TokenMetrics:
        took = self._histogram("jwt_validation_duration_seconds", "Checks of one access token.", (), TOKEN_BUCKETS)
        return TokenMetrics(
            self._held_until_written(Durations(took)),
            self._counter("jwt_validation_errors_total", "Access tokens that were refused.", ("reason",)),
        )

    def _event_metrics(self) -> EventMetrics:
        return EventMetrics(
            self._counter("events_sent_total", "Events that Kafka acknowledged."),
            self._counter("events_failed_total", "Events that Kafka refused for good."),
            self._counter("events_dropped_total", "Events that were lost to a full queue, or to the end."),
            self._gauge("events_queue_length", "Events that wait for Kafka."),
        )

    def answered(self, method: str, route: str | None, status: int, seconds: float | None) -> None:
        """A request was answered. `method`: as `http_methods.label` has it; `route`: its rule, None where it has none;
        `seconds`: None where it never began."""
        request = self._answer(method, route or http_methods.OTHER, status)
        if seconds is not None:
            request.observe(seconds)
        else:
            request.unbegun += 1

    def start(self) -> None:
        """Begin to write."""
        self._writer = gevent.spawn(self._keep_writing)

    def close(self, deadline: float) -> None:
        """Write what is held."""
        self._writer.kill()
        self.write()

    def write(self) -> None:
        """Write what is held to where all workers read it."""
        for held in self._held:
            held.write()

    def _keep_writing(self) -> None:
        while True:
            gevent.sleep(WRITE_SECONDS)
            self.write()

    def _held_until_written(self, held: Any) -> Any:
        self._held.append(held)
        return held

    def limited(self, rule: str) -> None:
        """A request was over this rate limit."""
        self._limited.labels(rule).inc()

    def limits_unshared(self, alone: bool) -> None:
        """Whether this worker counts rate limits by itself."""
        self._limits_unshared.set(alone)

    def redis_away(self, away: bool) -> None:
        """Whether this worker goes on without Redis."""
        self._redis_away.set(away)

    def lines_dropped(self, where: str) -> Callable[[float], None]:
        """What counts the lines that `where` (stdout, loki) never gets."""
        return self._lines_dropped[where].inc

    def spans_dropped(self, count: int) -> None:
        """Spans that no collector gets."""
        self._spans_dropped.inc(count)

    def service(self, name: str) -> ServiceMetrics:
        """What is counted of one service."""
        return ServiceMetrics(
            name,
            self._held_until_written(Durations(self._proxy_duration.labels(name))),
            self._proxy_errors,
            self._proxy_retries.labels(name),
            self._held_until_written(Level(self._calls.labels(name))),
            self._open.labels(name),
            self._held_until_written(Responses(name, self._responses)),
        )

    def _children(self, method: str, route: str, status: int) -> RequestCounts | NotCounted:
        labels = method, route, str(status)
        if not self._files.have_room():
            log.error("Metrics: no room to count %s %s %s", *labels)
            return NotCounted()
        failed = self._failed.labels(*labels) if status >= 400 else None
        request = RequestCounts(self._duration.labels(*labels), self._total.labels(*labels), failed)
        self._held.append(request)
        return request

    def _histogram(self, name: str, text: str, labels: tuple[str, ...], buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, text, labels, registry=self.registry, buckets=buckets)

    def _counter(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(
        self, name: str, text: str, labels: tuple[str, ...] = (), over: Literal["livesum", "max"] = "livesum"
    ) -> Gauge:
        """One whose value is the sum over the living workers, or what prometheus_client calls `over`."""
        return Gauge(name, text, labels, registry=self.registry, multiprocess_mode=over)
