"""Exemplars: for each bucket of a histogram of durations the last request in it that has a trace.

prometheus_client has none with several workers (client_python#826). Here each worker keeps its own in memory and writes
them to a small file beside its counts, and the worker that is asked for the metrics reads all of them.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from time import time

import orjson
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.samples import Exemplar, Sample
from prometheus_client.utils import floatToGoString

from gateway import http_methods
from gateway.metrics_files import METRICS_FOLDER

Series = tuple[str, tuple[tuple[str, str], ...]]
"""The name and the sorted labels of a sample."""

EXEMPLARS_KEPT = 1000
"""The most of one worker; beyond, the oldest go. One is some 300 bytes."""

OF_REQUEST, OF_CALL = "http_request_duration_seconds", "service_proxy_duration_seconds"
"""The histograms whose buckets have them."""

_FILES = "exemplars_*.json"


class Exemplars:
    """Those of this worker, and of all."""

    def __init__(self, bounds: Iterable[float]) -> None:
        """`bounds`: the upper bounds of the buckets, in seconds."""
        self._bounds = tuple(bounds)
        self._les = tuple(map(floatToGoString, (*self._bounds, float("inf"))))
        folder = os.environ.get(METRICS_FOLDER)
        self._folder = Path(folder) if folder else None
        self._kept: dict[Series, Exemplar] = {}
        self._is_written = True

    def traced(
        self, method: str, route: str | None, status: int, seconds: float, called: tuple[str, float] | None, trace: str
    ) -> None:
        """A request with this trace was answered, and counted with these labels. `called`: the service that answered
        it, and in how many seconds."""
        labels = {"method": method, "route": route or http_methods.OTHER, "status": str(status)}
        self.keep(OF_REQUEST, labels, seconds, trace)
        if called is not None:
            self.keep(OF_CALL, {"service": called[0]}, called[1], trace)

    def keep(self, histogram: str, labels: Mapping[str, str], seconds: float, trace_id: str) -> None:
        """A request with a trace was counted in this histogram."""
        le = self._les[bisect_left(self._bounds, seconds)]
        series = f"{histogram}_bucket", tuple(sorted({**labels, "le": le}.items()))
        self._kept.pop(series, None)
        if len(self._kept) >= EXEMPLARS_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[series] = Exemplar({"trace_id": trace_id}, seconds, time())
        self._is_written = False

    def write(self) -> None:
        """Write them where all workers read them. Without room there they are left out."""
        if self._is_written or self._folder is None:
            return
        self._is_written = True
        own = self._folder / _FILES.replace("*", str(os.getpid()))
        new = own.with_suffix(".new")
        rows = [[*series, *exemplar] for series, exemplar in self._kept.items()]
        try:
            new.touch(0o600)
            new.write_bytes(orjson.dumps(rows))
            new.replace(own)
        except OSError:
            with suppress(OSError):
                new.unlink(missing_ok=True)

    def all(self) -> Mapping[Series, Exemplar]:
        """Those of all workers, for each series the newest."""
        if self._folder is None:
            return self._kept
        found: dict[Series, Exemplar] = {}
        for file in self._folder.glob(_FILES):
            with suppress(OSError, ValueError):  # its worker has exited, or somebody else wrote it
                for name, labels, *fields in orjson.loads(file.read_bytes()):
                    series = name, tuple((label, value) for label, value in labels)
                    exemplar = Exemplar(*fields)
                    before = found.setdefault(series, exemplar)
                    if _moment(before) < _moment(exemplar):
                        found[series] = exemplar
        return found


def _moment(exemplar: Exemplar) -> tuple[float, str]:
    """Its time; the trace decides between two of one time, so that all workers show the same."""
    return float(exemplar.timestamp or 0), exemplar.labels["trace_id"]


class WithExemplars:
    """A registry whose histograms have exemplars; only OpenMetrics can show them."""

    def __init__(self, registry: CollectorRegistry, exemplars: Mapping[Series, Exemplar]) -> None:
        self._registry = registry
        self._exemplars = exemplars

    def collect(self) -> Iterable[Metric]:
        """The metrics of the registry."""
        for metric in self._registry.collect():
            if metric.type == "histogram":
                metric.samples = list(map(self._with_exemplar, metric.samples))
            yield metric

    def _with_exemplar(self, sample: Sample) -> Sample:
        found = self._exemplars.get((sample.name, tuple(sorted(sample.labels.items()))))
        return sample if found is None else sample._replace(exemplar=found)
