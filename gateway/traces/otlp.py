"""Spans for any collector that speaks OTLP over HTTP, by OpenTelemetry's own exporter."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import requests
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.util.re import parse_env_headers

from gateway.batches import Hopeless, TryAgain, post
from gateway.transport import Session

log = logging.getLogger("gateway.traces")

BASE, TRACES = "OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"
# The exporter tells of each failure, in its words and the peer's; the reader of headers quotes what it can not read,
# and that may be a password.
_TALKATIVE = ("opentelemetry.exporter", "opentelemetry.util.re")
_COMPRESSIONS = {kind.value: kind for kind in Compression}


def endpoint(environ: Mapping[str, str]) -> str | None:
    """Where the standard's variables say that traces go: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT as it is, else
    OTEL_EXPORTER_OTLP_ENDPOINT with `/v1/traces` after it. None where neither is set."""
    base = environ.get(BASE + "ENDPOINT")
    return environ.get(TRACES + "ENDPOINT") or (base.removesuffix("/") + "/v1/traces" if base else None)


class OtlpExporter:
    """Sends spans to one collector.

    The library's exporter encodes, packs (OTEL_EXPORTER_OTLP_COMPRESSION) and adds its headers
    (OTEL_EXPORTER_OTLP_HEADERS). By itself it would also try again, sleeping, up to its time-out, and say neither what
    went wrong nor whether that can mend: so its session makes one call, keeps what came of it, and tells the exporter
    nothing that it would try again for. The queue does that.
    """

    def __init__(self, endpoint: str, environ: Mapping[str, str], session: Session) -> None:
        """`endpoint` with its path; headers and compression by `environ`. Connects to nothing."""
        self.endpoint = endpoint
        self._once = _Once(session)
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._exporter = OTLPSpanExporter(
            endpoint=endpoint,
            headers=_headers(_either(environ, "HEADERS")),
            compression=_COMPRESSIONS.get(_either(environ, "COMPRESSION").strip().lower(), Compression.NoCompression),
            session=self._once,
        )

    def send(self, spans: Sequence[ReadableSpan]) -> None:
        """Send them in one call, each try in a call of its own. Raises TryAgain, Hopeless."""
        self._once.fault = Hopeless("could not be encoded")
        self._exporter.export(spans)
        if self._once.fault is not None:
            raise self._once.fault


class _Once(requests.Session):
    """What the exporter takes for its session: one call on ours, whose answer it hears as 200 or 400."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.fault: TryAgain | Hopeless | None = None

    def request(self, method: Any, url: Any, *, headers: Any, data: Any, **ignored: Any) -> requests.Response:  # type: ignore[override]
        answer = requests.Response()
        try:
            post(self._session, url, data, headers)
        except (TryAgain, Hopeless) as fault:
            self.fault = fault
            answer.status_code = 400
        else:
            self.fault = None
            answer.status_code = 200
        return answer


def _either(environ: Mapping[str, str], name: str) -> str:
    return environ.get(TRACES + name) or environ.get(BASE + name) or ""


def _headers(text: str) -> Mapping[str, str]:
    """The headers of OTEL_EXPORTER_OTLP_HEADERS, less what is none."""
    headers = parse_env_headers(text, liberal=True)
    if len(headers) < len([part for part in text.split(",") if part.strip()]):
        log.warning("OTLP: a part of OTEL_EXPORTER_OTLP_HEADERS is no name=value in percent-encoding, it is left out")
    return headers
