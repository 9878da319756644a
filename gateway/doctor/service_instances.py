"""The services: does each instance answer, and how soon?"""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

import gevent

from gateway.doctor.deployment import Answer, Deployment
from gateway.doctor.finding import Finding, bad, good, questionable
from gateway.services import SERVICES, ServiceSpec

SLOW_SERVICE_SECONDS = 2.0


def service_instances(deployment: Deployment) -> Iterator[Finding]:
    """`GET <base>/health` of each instance, as `/health` of the gateway asks it."""
    configured = deployment.settings.services
    asked = [
        gevent.spawn(_instance, deployment, spec, base) for spec in SERVICES for base in configured.get(spec.name, ())
    ]
    for greenlet in asked:
        yield greenlet.get()


def _instance(deployment: Deployment, spec: ServiceSpec, base: str) -> Finding:
    began = perf_counter()
    answer = deployment.ask(base + "/health")
    took = perf_counter() - began
    if not isinstance(answer, Answer):
        return bad(
            spec.name,
            f"{base}: {answer.why}",
            "an answer",
            f"start it, allow the connection (firewall), or correct {spec.setting}",
        )
    if answer.wants_tls:
        return bad(spec.name, f"{base}: it speaks TLS", "https://", f"https:// in {spec.setting}")
    found = f"{base}/health: {answer.status} in {took * 1000:.0f} ms"
    if answer.status >= 500:
        return bad(spec.name, found, "a status below 500", "the service says that it is unwell: its own log")
    if took > SLOW_SERVICE_SECONDS:
        return questionable(spec.name, found, f"under {SLOW_SERVICE_SECONDS:g} s", "the way to it, or its load")
    return good(spec.name, found)


CHECKS = (service_instances,)
