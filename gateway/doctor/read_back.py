"""A log line and a span as the gateway sends them, and whether they can be read back where they were sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import getrandbits
from secrets import token_hex
from time import monotonic, time_ns
from typing import Any
from urllib.parse import urlencode

import gevent
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, TraceFlags

from gateway.batches import place
from gateway.clock import timestamp
from gateway.doctor.deployment import Answer, Deployment
from gateway.doctor.finding import Finding, good, questionable, unknown
from gateway.logs import SERVICE

READ_BACK_SECONDS = 5.0
AGAIN_SECONDS = 0.2
QUERIED_NANOSECONDS = 600 * 10**9
JAEGER_PORT = 16686
"""Of Jaeger's page and its API."""

LEVEL = "debug"
_NAME = "gateway doctor: sent to be read back"


@dataclass(frozen=True, slots=True)
class SentLine:
    """A line of the log, found again by `mark`."""

    mark: str = field(default_factory=lambda: token_hex(16))
    at: int = field(default_factory=time_ns)

    def encoded(self) -> bytes:
        """As Loki keeps it."""
        line = {"timestamp": timestamp(), "level": LEVEL, "message": f"{_NAME}, {self.mark}", "logger": __name__}
        return json.dumps(line).encode()

    def query(self) -> str:
        """The path and query of Loki's API that finds it."""
        selector = f'{{service="{SERVICE}",level="{LEVEL}"}} |= "{self.mark}"'
        start = self.at - QUERIED_NANOSECONDS
        asked = {"query": selector, "limit": 1, "start": start, "end": self.at + QUERIED_NANOSECONDS}
        return f"/loki/api/v1/query_range?{urlencode(asked)}"


def a_span(otel: Mapping[str, str]) -> ReadableSpan:
    """A span of a trace of its own; `otel` names the service (OTEL_SERVICE_NAME)."""
    now, sampled = time_ns(), TraceFlags(TraceFlags.SAMPLED)
    context = SpanContext(getrandbits(128) or 1, getrandbits(64) or 1, is_remote=False, trace_flags=sampled)
    resource = Resource({SERVICE_NAME: otel.get("OTEL_SERVICE_NAME") or SERVICE})
    return ReadableSpan(
        _NAME, context, None, resource, {}, kind=SpanKind.INTERNAL, status=Status(), start_time=now, end_time=now,
        instrumentation_scope=InstrumentationScope(__name__),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked until the answer `holds` what was sent. `lost` is what to do where it never does, `away` where
    nobody answers it."""

    check: str
    url: str
    headers: Mapping[str, str]
    holds: Callable[[Mapping[str, Any]], bool]
    lost: str
    away: str


def line_read_back(deployment: Deployment, line: SentLine, url: str, headers: Mapping[str, str]) -> Finding:
    """By the query API of the Loki at `url`."""

    def holds(document: Mapping[str, Any]) -> bool:
        data = document["data"]
        return bool(isinstance(data, dict) and data.get("result"))

    lost = "Loki's own log and limits; is LOKI_TENANT that of who reads?"
    away = "look for it in Grafana; LOKI_HOST may be a proxy that lets lines in and no query"
    return _read_back(deployment, _Question("Loki's lines", url + line.query(), headers, holds, lost, away))


def span_read_back(deployment: Deployment, check: str, span: ReadableSpan, url: str) -> Finding:
    """By the query API of the Jaeger whose page is at `url`."""
    trace = f"{url.rstrip('/')}/api/traces/{span.context.trace_id:032x}"
    lost = "the log of the collector and of its storage; are spans sampled once more on their way?"
    away = "--jaeger URL names the page of the Jaeger that has the spans"
    return _read_back(deployment, _Question(check, trace, {}, lambda document: bool(document["data"]), lost, away))


def _read_back(deployment: Deployment, question: _Question) -> Finding:
    """At most READ_BACK_SECONDS."""
    check, asked = question.check, place(question.url)
    began = monotonic()
    while True:
        answer = deployment.ask(question.url, headers=dict(question.headers))
        document = answer.json() if isinstance(answer, Answer) else None
        if document is None or "data" not in document:
            why = f"status {answer.status}" if isinstance(answer, Answer) else answer.why
            return unknown(check, f"whether they arrive: {asked} answers no query ({why})", question.away)
        if question.holds(document):
            return good(check, f"one was read back after {(monotonic() - began) * 1000:.0f} ms")
        if monotonic() - began > READ_BACK_SECONDS:
            expected = f"it is found within {READ_BACK_SECONDS:g} s"
            return questionable(check, f"one was taken, and {asked} does not find it", expected, question.lost)
        gevent.sleep(AGAIN_SECONDS)
