"""Passes ended spans to the exporters without delaying the request.

The SDK's BatchSpanProcessor is not used: it loses a batch that fails, its drops can only be counted through private
metrics, its thread starts in the constructor, and its shutdown waits up to 30 seconds for the exporter.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Protocol

import gevent
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from gateway.batches import Batches, Bounds, Pace, place
from gateway.traces import otlp
from gateway.traces.jaeger import JaegerExporter
from gateway.traces.otlp import OtlpExporter
from gateway.transport import SealedSession

log = logging.getLogger("gateway.traces")

HELD_BYTES = 8 << 20
BATCH_BYTES = 128 << 10  # encoding it blocks the worker for 2 to 5 ms
SPAN_BYTES = 600
"""The approximate size of a span without its attributes; an attribute takes ATTRIBUTE_BYTES and its text."""

ATTRIBUTE_BYTES = 40

# The standard variables with the gateway's defaults: the standard 5 s would lose more when a worker dies.
_NUMBERS = {"MAX_QUEUE_SIZE": 2048, "MAX_EXPORT_BATCH_SIZE": 512, "SCHEDULE_DELAY": 1000}


class Exporter(Protocol):
    """One exporter."""

    def send(self, spans: list[ReadableSpan]) -> None:
        """Raises RetryableFailure, PermanentFailure."""


class SpanPipeline(SpanProcessor):
    """Passes each ended and sampled span to every exporter, through a separate queue for each."""

    def __init__(
        self, exporters: Mapping[str, Exporter], environ: Mapping[str, str], dropped: Callable[[int], None]
    ) -> None:
        """`exporters` by their name in the log; the queues' bounds by `environ` (OTEL_BSP_*). `dropped` is called with
        the number of spans that an exporter has lost. Connects to nothing."""
        most, batch, delay = (_number(environ, name) for name in _NUMBERS)
        held = Bounds(items=most, size=HELD_BYTES)
        pace = Pace(every=delay / 1000)
        bounds = Bounds(items=min(batch, most), size=BATCH_BYTES)
        self._queues = tuple(
            Batches(name, exporter.send, dropped, log, held=held, batch=bounds, pace=pace)
            for name, exporter in exporters.items()
        )

    def start(self) -> None:
        """Start sending."""
        for queue in self._queues:
            queue.start()

    def close(self, deadline: float) -> None:
        """Send what is left to all exporters concurrently, and stop by `deadline`, a monotonic time."""
        gevent.joinall([gevent.spawn(queue.close, deadline) for queue in self._queues])

    def on_end(self, span: ReadableSpan) -> None:
        """Never waits, never raises."""
        context = span.context
        if context is not None and context.trace_flags.sampled:
            size = _size(span)
            for queue in self._queues:
                queue.put(span, size)


def span_pipeline(
    jaeger_endpoint: str | None, environ: Mapping[str, str], session: SealedSession, dropped: Callable[[int], None]
) -> SpanPipeline | None:
    """The pipeline for the configured exporters: JAEGER_ENDPOINT, the standard OTEL_EXPORTER_OTLP_(TRACES_)ENDPOINT, or
    both, which then get every span. None without an exporter, or if the standard variables disable tracing
    (`OTEL_SDK_DISABLED=true`, `OTEL_TRACES_EXPORTER=none`)."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none":
        return None
    exporters: dict[str, Exporter] = {}
    if jaeger_endpoint:
        exporters[f"Jaeger (JAEGER_ENDPOINT, {place(jaeger_endpoint)})"] = JaegerExporter(jaeger_endpoint, session)
    if collector := otlp.endpoint(environ):
        exporters[f"OTLP (OTEL_EXPORTER_OTLP_ENDPOINT, {place(collector)})"] = OtlpExporter(collector, environ, session)
    return SpanPipeline(exporters, environ, dropped) if exporters else None


def _number(environ: Mapping[str, str], name: str) -> int:
    """The positive integer OTEL_BSP_<name>; by the standard, an invalid value counts as unset."""
    text = environ.get(f"OTEL_BSP_{name}", "")
    return int(text) if text.isascii() and text.isdigit() and int(text) else _NUMBERS[name]


def _size(span: ReadableSpan) -> int:
    attributes = span.attributes or {}
    texts = [value for value in attributes.values() if isinstance(value, str)]
    return SPAN_BYTES + ATTRIBUTE_BYTES * len(attributes) + sum(map(len, texts))
