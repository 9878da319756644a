"""Where lines and spans go: Loki, Jaeger, an OTLP collector. Each is sent one, which is then read back."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from opentelemetry.sdk.trace import ReadableSpan

from gateway.doctor.deployment import Answer, Deployment, Silence
from gateway.doctor.finding import Finding, Verdict, bad, good
from gateway.doctor.read_back import JAEGER_PORT, LEVEL, SentLine, a_span, line_read_back, span_read_back
from gateway.loki import push_body, push_url, tenant_header
from gateway.traces import otlp, otlp_wire
from gateway.traces.jaeger import batch


def loki(deployment: Deployment) -> Iterator[Finding]:
    """Its push API, with one line: what is no Loki, or lacks a tenant, says so. Then its query API."""
    host = deployment.settings.loki_host
    if host is None:
        return
    line, tenant, url = SentLine(), tenant_header(deployment.settings.loki_tenant), push_url(host)
    headers = {"Content-Type": "application/json", **tenant}
    answer = deployment.ask(url, "POST", data=push_body([(line.at, LEVEL, line.encoded(), None)]), headers=headers)
    fix = "Loki's base URL, such as http://loki:3100; LOKI_TENANT; the clock of this machine"
    sent = _sent("Loki", "LOKI_HOST", url, answer, fix)
    yield sent
    if sent.verdict == Verdict.OK:
        yield line_read_back(deployment, line, host.rstrip("/"), tenant)


def jaeger(deployment: Deployment) -> Iterator[Finding]:
    """Its Thrift endpoint, with one span; then its query API."""
    url = deployment.settings.jaeger_endpoint
    if url is None:
        return
    span = a_span(deployment.settings.otel)
    answer = deployment.ask(url, "POST", data=batch([span]), headers={"Content-Type": "application/x-thrift"})
    fix = "JAEGER_ENDPOINT ends in /api/traces, on the collector's port 14268: http://jaeger:14268/api/traces"
    yield from _span_sent("Jaeger", _sent("Jaeger", "JAEGER_ENDPOINT", url, answer, fix), span, url, deployment)


def otlp_collector(deployment: Deployment) -> Iterator[Finding]:
    """Its HTTP endpoint, with one span; then the query API of the Jaeger beside it, if there is one."""
    url = otlp.endpoint(deployment.settings.otel)
    if url is None:
        return
    span = a_span(deployment.settings.otel)
    headers = {"Content-Type": "application/x-protobuf", **otlp.sent_headers(deployment.settings.otel)}
    answer = deployment.ask(url, "POST", data=otlp_wire.encode_spans([span]), headers=headers)
    fix = (
        "OTLP over HTTP is port 4318 (4317 is gRPC's); /v1/traces is added to OTEL_EXPORTER_OTLP_ENDPOINT by itself;"
        " OTEL_EXPORTER_OTLP_HEADERS where it wants to know who sends"
    )
    sent = _sent("OTLP", otlp.endpoint_setting(deployment.settings.otel), url, answer, fix)
    yield from _span_sent("OTLP", sent, span, url, deployment)


def _span_sent(check: str, sent: Finding, span: ReadableSpan, url: str, deployment: Deployment) -> Iterator[Finding]:
    """What became of it, and of the span."""
    yield sent
    if sent.verdict == Verdict.OK:
        host = urlsplit(url).hostname or ""
        page = f"http://{f'[{host}]' if ':' in host else host}:{JAEGER_PORT}"
        yield span_read_back(deployment, f"{check}'s spans", span, deployment.jaeger_page or page)


def _sent(check: str, setting: str, url: str, answer: Answer | Silence, fix: str) -> Finding:
    if not isinstance(answer, Answer):
        return bad(
            check,
            f"{url}: {answer.why}",
            "it answers",
            f"start it, allow the connection (firewall), or correct {setting}: {fix}",
        )
    if answer.wants_tls:
        return bad(check, f"{url}: it speaks TLS", "https://", f"https:// in {setting}")
    if answer.status // 100 == 2:
        return good(check, f"takes what is sent to {url}")
    return bad(check, f"{url}: status {answer.status}", "it takes what is sent", fix)


CHECKS = (loki, jaeger, otlp_collector)
