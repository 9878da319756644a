"""From a span's end to its exporters, without the request waiting.

The SDK's BatchSpanProcessor is not used: a batch that fails is lost there, what it drops can not be counted but through
its private metrics, its thread begins in the constructor, and its shutdown waits up to 30 seconds for the exporter.
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
BATCH_BYTES = 128 << 10  # encoding it takes the worker 2 to 5 ms, and nobody is served meanwhile
SPAN_BYTES = 600
"""Of a span without its attributes, about; an attribute takes ATTRIBUTE_BYTES and its text."""

ATTRIBUTE_BYTES = 40

# The standard's variables with our defaults: its own 5 s would lose more when a worker dies.
_NUMBERS = {"MAX_QUEUE_SIZE": 2048, "MAX_EXPORT_BATCH_SIZE": 512, "SCHEDULE_DELAY": 1000}


class Exporter(Protocol):
    """One way out."""

    def send(self, spans: list[ReadableSpan]) -> None:
        """Raises RetryableFailure, PermanentFailure."""


class SpanPipeline(SpanProcessor):
    """Hands each ended span that is sampled to every exporter, through a queue of its own for each."""

    def __init__(
        self, exporters: Mapping[str, Exporter], environ: Mapping[str, str], dropped: Callable[[int], None]
    ) -> None:
        """`exporters` by the name the log has for them; the queues' bounds by `environ` (OTEL_BSP_*). `dropped` is told
        how many spans an exporter has lost. Connects to nothing."""
        most, batch, delay = (_number(environ, name) for name in _NUMBERS)
        held = Bounds(items=most, size=HELD_BYTES)
        pace = Pace(every=delay / 1000)
        bounds = Bounds(items=min(batch, most), size=BATCH_BYTES)
        self._queues = tuple(
            Batches(name, exporter.send, dropped, log, held=held, batch=bounds, pace=pace)
            for name, exporter in exporters.items()
        )

    def start(self) -> None:
        """Begin to send."""
        for queue in self._queues:
            queue.start()

    def close(self, deadline: float) -> None:
        """Send what is left, to all at once, and end by `deadline`, a monotonic time."""
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
    """The way out that is configured: JAEGER_ENDPOINT, the standard's OTEL_EXPORTER_OTLP_(TRACES_)ENDPOINT, or both,
    and then both get every span. None where there is none, and where the standard's variables say that there shall be
    none (`OTEL_SDK_DISABLED=true`, `OTEL_TRACES_EXPORTER=none`)."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none":
        return None
    exporters: dict[str, Exporter] = {}
    if jaeger_endpoint:
        exporters[f"Jaeger (JAEGER_ENDPOINT, {place(jaeger_endpoint)})"] = JaegerExporter(jaeger_endpoint, session)
    if collector := otlp.endpoint(environ):
        exporters[f"OTLP (OTEL_EXPORTER_OTLP_ENDPOINT, {place(collector)})"] = OtlpExporter(collector, environ, session)
    return SpanPipeline(exporters, environ, dropped) if exporters else None


def _number(environ: Mapping[str, str], name: str) -> int:
    """A whole number over 0 of OTEL_BSP_<name>; as the standard has it, what is none counts as unset."""
    text = environ.get(f"OTEL_BSP_{name}", "")
    return int(text) if text.isascii() and text.isdigit() and int(text) else _NUMBERS[name]


def _size(span: ReadableSpan) -> int:
    attributes = span.attributes or {}
    texts = [value for value in attributes.values() if isinstance(value, str)]
    return SPAN_BYTES + ATTRIBUTE_BYTES * len(attributes) + sum(map(len, texts))
