"""Log lines, metrics and traces."""

from __future__ import annotations

from dataclasses import dataclass

from gateway import logs
from gateway.config import Settings
from gateway.exposition import Exposition
from gateway.instruments import Instruments
from gateway.logs import LogWriter, RelayReader, Uncaught
from gateway.loki import LOGGER, Loki
from gateway.loop_lag import LoopLag
from gateway.traces import Tracing, span_pipeline, tracing_to
from gateway.transport import Adapter, SealedSession
from gateway.wiring.lifecycle import Lifecycle, Part, Stage
from gateway.wiring.outbound import bounds_of, tls_of


@dataclass(frozen=True, slots=True)
class Observability:
    """Logs, metrics and traces for the operator."""

    log_writer: LogWriter
    instruments: Instruments
    exposition: Exposition
    tracing: Tracing
    parts: tuple[Part, ...]


def observability(settings: Settings) -> Observability:
    """Set by LOG_LEVEL, LOKI_HOST, JAEGER_ENDPOINT and OTEL_*. Calls nobody."""
    instruments = Instruments()
    exposition = Exposition(instruments.registry, instruments.exemplars)
    log_writer = logs.configure(settings.log_level, instruments.lines_dropped("stdout"))
    delivery = Adapter(tls_of(settings), bounds_of(settings))  # its calls belong to no request, so they have no spans
    session = SealedSession(delivery)
    spans = span_pipeline(settings.jaeger_endpoint, settings.otel, session, instruments.spans_dropped)
    exporters: list[Lifecycle] = [] if spans is None else [spans]
    if settings.loki_host is not None:
        loki = Loki(settings.loki_host, settings.loki_tenant, session, instruments.lines_dropped("loki"))
        exporters += [loki, *_copied(log_writer, loki)]
    return Observability(
        log_writer,
        instruments,
        exposition,
        tracing_to(spans, settings.otel, production=settings.production),
        parts=(
            (Stage.RECORDS, log_writer),
            (Stage.RECORDS, Uncaught()),
            (Stage.RECORDS, exposition),
            (Stage.RECORDS, instruments),
            (Stage.WATCHERS, LoopLag(instruments.loop_lag.observe)),
            (Stage.DELIVERY, delivery),
            *((Stage.EXPORTERS, exporter) for exporter in exporters),
        ),
    )


def _copied(log_writer: LogWriter, loki: Loki) -> list[Lifecycle]:
    """Copy the lines to Loki, and those of the master too: what reads them."""
    relay = logs.masters_relay()
    if relay is None:
        log_writer.also(loki.put, but=LOGGER)
        return []
    log_writer.also(loki.put, but=LOGGER, later=relay.put)
    return [RelayReader(relay, loki.put)]
