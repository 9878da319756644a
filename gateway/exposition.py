"""The metrics of all workers in Prometheus's format, including those of workers that have exited.

Each worker counts in its own files. When it exits, gunicorn's master renames them (`gunicorn.conf.py`, child_exit): its
gauges are removed, its counters are added to those of earlier workers, so that there are only a few files.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

import gevent
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_flask_exporter import PrometheusMetrics

from gateway import errors
from gateway.instruments import Exemplars, WithExemplars
from gateway.metrics_files import METRICS_FOLDER, has_room

log = logging.getLogger("gateway")

ENDED_FILES = "ended-*"
_TORN = (struct.error, RuntimeError, ValueError)
"""The exceptions of prometheus_client for an incomplete file."""

_OPEN_METRICS, _VERSION = "application/openmetrics-text", "1.0.0"

EXPOSITION_WAIT_SECONDS = 2.0
_TRIES = 10


class Exposition:
    """Renders the metrics of `registry`, or in multi-process mode those in the files of all workers; in OpenMetrics'
    format with exemplars."""

    def __init__(self, registry: CollectorRegistry, exemplars: Exemplars) -> None:
        # Its own metrics and endpoint are disabled: it collects, for the classic text format.
        self._exporter = PrometheusMetrics(None, path=None, export_defaults=False, registry=registry)
        self._registry = registry
        self._exemplars = exemplars
        folder = os.environ.get(METRICS_FOLDER)
        self._folder = Path(folder) if folder else None

    def start(self) -> None:
        """Merge the files of exited workers, which must happen even if nobody scrapes."""
        if self._folder is not None:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with suppress(errors.ServiceUnavailable), _alone(self._folder / "lock"):
                _add_up(self._folder)

    def close(self, deadline: float) -> None:
        """Nothing: the counts of this worker are kept."""

    def text(self, accept: str) -> tuple[str, str]:
        """The metrics, and their media type according to an Accept header."""
        if self._folder is None:
            return self._generate(accept)
        self._folder.mkdir(mode=0o700, exist_ok=True)  # not to be read by cleaners of the folder
        with _alone(self._folder / "lock"):
            for turn in range(_TRIES):
                gevent.sleep(0.01 * turn)
                if turn == _TRIES - 1:  # longer than any worker takes to create its file
                    _throw_torn_away(self._folder.glob("*.db"))
                left = _add_up(self._folder)
                with suppress(FileNotFoundError, *_TORN):  # a worker started or exited while its files were read
                    written = self._generate(accept)
                    if len(list(self._folder.glob(ENDED_FILES))) <= left:
                        return written
        raise errors.ServiceUnavailable()

    def _generate(self, accept: str) -> tuple[str, str]:
        if _wants_open_metrics(accept):
            encode, kind = choose_encoder(_OPEN_METRICS)
            return encode(WithExemplars(self._registry_of_all(), self._exemplars.all())).decode(), kind
        text, kind = self._exporter.generate_metrics("")
        return str(text), str(kind)

    def _registry_of_all(self) -> CollectorRegistry:
        """As the exporter makes it: of all workers in multi-process mode."""
        if self._folder is None:
            return self._registry
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return registry


def _wants_open_metrics(accept: str) -> bool:
    """Whether an Accept header takes OpenMetrics 1.0.0 (RFC 9110 section 12.5.1). prometheus_client obeys any version
    that is written there, and raises if it is no number."""
    for accepted in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in accepted.split(";"))
        said = dict(parameter.partition("=")[::2] for parameter in parameters)
        if kind == _OPEN_METRICS and said.get("version", _VERSION) == _VERSION and said.get("q", "1").strip("0."):
            return True
    return False


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """A lock for one worker at a time: reading while another one merges would count twice. Raises ServiceUnavailable
    after EXPOSITION_WAIT_SECONDS; other greenlets are not blocked."""
    file = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        due = monotonic() + EXPOSITION_WAIT_SECONDS
        while not _locked(file):
            if monotonic() >= due:
                raise errors.ServiceUnavailable()
            gevent.sleep(0.02)
        yield
    finally:
        os.close(file)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _add_up(folder: Path) -> int:
    """Merge the files of exited workers into one file for each kind, `counter_ended.db` and `histogram_ended.db`.
    Returns how many were left as they are because there is no room to merge them."""
    left = 0
    for file in folder.glob(ENDED_FILES):
        try:
            counted = _read(file)
        except _TORN:
            _log_unreadable()
            counted = []
        ended = folder / f"{file.name.split('-')[1]}_ended.db"
        _throw_torn_away([ended])
        ended.touch(0o600)
        if not has_room(ended, file.stat().st_size):
            left += 1
            continue
        sums = MmapedDict(str(ended))
        for key, value in counted:
            sums.write_value(key, sums.read_value(key)[0] + value, 0.0)
        sums.close()
        file.unlink()
    return left


def _read(file: Path) -> list[tuple[str, float]]:
    """The counts of a file; raises one of _TORN if it is incomplete."""
    with file.open("rb") as begin:
        (used,) = struct.unpack("i", begin.read(4))
    if used < 0:
        raise ValueError(used)
    counted = [(key, value) for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file))]
    for key, _ in counted:
        _, _, labels, _ = json.loads(key)
        if not isinstance(labels, dict):
            raise ValueError(key)
    return counted


def _throw_torn_away(files: Iterable[Path]) -> None:
    """Without this, one unreadable file would prevent all others from being reported, and a worker from starting."""
    for file in files:
        try:
            _read(file)
        except FileNotFoundError:
            pass
        except _TORN:
            _log_unreadable()
            file.unlink(missing_ok=True)


def _log_unreadable() -> None:
    log.warning("Metrics: the counts of an exited worker cannot be read")
