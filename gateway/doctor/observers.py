"""Where lines and spans go: Loki, Jaeger, an OTLP collector. Each is sent something empty."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.doctor.deployment import Answer, Deployment, Silence
from gateway.doctor.finding import Finding, bad, good
from gateway.traces import otlp


def loki(deployment: Deployment) -> Iterator[Finding]:
    """Its push API, with no stream: what is no Loki, or lacks a tenant, says so."""
    host = deployment.settings.loki_host
    if host is None:
        return
    tenant = {"X-Scope-OrgID": deployment.settings.loki_tenant} if deployment.settings.loki_tenant else {}
    url = host.rstrip("/") + "/loki/api/v1/push"
    headers = {"Content-Type": "application/json", **tenant}
    answer = deployment.ask(url, "POST", data=b'{"streams": []}', headers=headers)
    yield _sent(
        "Loki", "LOKI_HOST", url, answer, (200, 204, 400, 422), "Loki's base URL, such as http://loki:3100; LOKI_TENANT"
    )


def jaeger(deployment: Deployment) -> Iterator[Finding]:
    """Its Thrift endpoint, with no batch."""
    url = deployment.settings.jaeger_endpoint
    if url is None:
        return
    answer = deployment.ask(url, "POST", data=b"", headers={"Content-Type": "application/x-thrift"})
    fix = "JAEGER_ENDPOINT ends in /api/traces, on the collector's port 14268: http://jaeger:14268/api/traces"
    yield _sent("Jaeger", "JAEGER_ENDPOINT", url, answer, (200, 202, 400), fix)


def otlp_collector(deployment: Deployment) -> Iterator[Finding]:
    """Its HTTP endpoint, with no span."""
    url = otlp.endpoint(deployment.settings.otel)
    if url is None:
        return
    headers = {"Content-Type": "application/x-protobuf", **otlp.sent_headers(deployment.settings.otel)}
    answer = deployment.ask(url, "POST", data=b"", headers=headers)
    fix = (
        "OTLP over HTTP is port 4318 (4317 is gRPC's); /v1/traces is added to OTEL_EXPORTER_OTLP_ENDPOINT by itself;"
        " OTEL_EXPORTER_OTLP_HEADERS where it wants to know who sends"
    )
    yield _sent("OTLP", otlp.endpoint_setting(deployment.settings.otel), url, answer, (200, 202, 400), fix)


def _sent(check: str, setting: str, url: str, answer: Answer | Silence, fine: tuple[int, ...], fix: str) -> Finding:
    if not isinstance(answer, Answer):
        return bad(
            check,
            f"{url}: {answer.why}",
            "it answers",
            f"start it, allow the connection (firewall), or correct {setting}: {fix}",
        )
    if answer.wants_tls:
        return bad(check, f"{url}: it speaks TLS", "https://", f"https:// in {setting}")
    if answer.status in fine:
        return good(check, f"takes what is sent to {url}")
    return bad(check, f"{url}: status {answer.status}", "it takes what is sent", fix)


CHECKS = (loki, jaeger, otlp_collector)
