"""Sends spans to any collector with OTLP over HTTP, by OpenTelemetry's own exporter."""

from __future__ import annotations

import gzip
import logging
import zlib
from collections.abc import Callable, Mapping, Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.util.re import parse_env_headers

from gateway.batches import PermanentFailure, post
from gateway.traces import otlp_wire
from gateway.transport import SealedSession

log = logging.getLogger("gateway.traces")

BASE, TRACES = "OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"
# The exporter logs each failure with the text of the peer, and the parser of headers quotes invalid ones, which may
# contain a password.
_TALKATIVE = ("opentelemetry.exporter", "opentelemetry.util.re")
_PACKS: Mapping[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


def endpoint(environ: Mapping[str, str]) -> str | None:
    """The endpoint for traces: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT unchanged, otherwise OTEL_EXPORTER_OTLP_ENDPOINT with
    `/v1/traces`. None if neither is set."""
    base = environ.get(BASE + "ENDPOINT")
    return environ.get(TRACES + "ENDPOINT") or (base.removesuffix("/") + "/v1/traces" if base else None)


def endpoint_setting(environ: Mapping[str, str]) -> str:
    """The variable that `endpoint` reads."""
    return (TRACES if environ.get(TRACES + "ENDPOINT") else BASE) + "ENDPOINT"


def sent_headers(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The headers of OTEL_EXPORTER_OTLP_(TRACES_)HEADERS, which may hold a credential; without invalid ones."""
    text = _either(environ, "HEADERS")
    headers = parse_env_headers(text, liberal=True)
    if len(headers) < len([part for part in text.split(",") if part.strip()]):
        log.warning("OTLP: a part of OTEL_EXPORTER_OTLP_HEADERS is not a percent-encoded name=value and is ignored")
    return headers


class OtlpExporter:
    """Sends spans to one collector, as protobuf over HTTP."""

    def __init__(self, endpoint: str, environ: Mapping[str, str], session: SealedSession) -> None:
        """`endpoint` with its path; headers and compression by `environ`. Connects to nothing."""
        self.endpoint = endpoint
        self._session = session
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._headers = {"Content-Type": "application/x-protobuf", **sent_headers(environ)}
        self._pack = _PACKS.get(_either(environ, "COMPRESSION").strip().lower())
        if self._pack is not None:
            self._headers["Content-Encoding"] = _either(environ, "COMPRESSION").strip().lower()

    def send(self, spans: Sequence[ReadableSpan]) -> None:
        """Send the spans in one call, without a retry. Raises RetryableFailure, PermanentFailure."""
        try:
            body = otlp_wire.encode_spans(spans)
        except Exception:
            raise PermanentFailure("could not be encoded") from None
        post(self._session, self.endpoint, self._pack(body) if self._pack else body, self._headers)


def _either(environ: Mapping[str, str], name: str) -> str:
    return environ.get(TRACES + name) or environ.get(BASE + name) or ""
