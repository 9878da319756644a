"""All checks at once, under one time limit."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from types import MappingProxyType

import gevent

from gateway.doctor import (
    brokers,
    claims,
    client,
    client_address,
    cookies_passed_on,
    issuer,
    lifetimes,
    machine,
    passed_on,
    peers,
    proxy_in_front,
    public_url,
    redis_server,
    service_instances,
    slow_body,
    telemetry,
)
from gateway.doctor.before_gateway import Check
from gateway.doctor.deployment import Deployment
from gateway.doctor.finding import Finding, questionable

GROUPS: Mapping[str, tuple[Check, ...]] = MappingProxyType(
    {
        "This machine": machine.CHECKS,
        "Names and certificates": peers.CHECKS,
        "Keycloak": issuer.CHECKS,
        "The client at Keycloak": client.CHECKS,
        "Tokens": (*claims.CHECKS, *lifetimes.CHECKS),
        "Services": service_instances.CHECKS,
        "Redis": redis_server.CHECKS,
        "Kafka": brokers.CHECKS,
        "Logs and traces": telemetry.CHECKS,
        "In front": (
            *public_url.CHECKS,
            *proxy_in_front.CHECKS,
            *passed_on.CHECKS,
            *cookies_passed_on.CHECKS,
            *client_address.CHECKS,
            *slow_body.CHECKS,
        ),
    }
)
"""The registry: a check is a function of its peer's module, listed in the module's CHECKS."""


class _Examined:
    """A check under way; what it has found so far stays, however it ends."""

    def __init__(self, check: Check, deployment: Deployment) -> None:
        self.found: list[Finding] = []
        self._name = str(getattr(check, "__name__", "check")).replace("_", " ")
        self.greenlet = gevent.spawn(self._run, check, deployment)

    def late(self, seconds: float) -> list[Finding]:
        """What is said of a check that has not ended."""
        if self.greenlet.ready():
            return []
        return [questionable(self._name, f"no answer within {seconds:g} s", "", "--limit SECONDS waits longer")]

    def _run(self, check: Check, deployment: Deployment) -> None:
        try:
            for finding in check(deployment):
                self.found.append(finding)
        except Exception as error:  # a fault of the doctor's own must not hide what the others found
            why = f"the check itself failed ({type(error).__name__})"
            self.found.append(questionable(self._name, why, "", "report it"))


def examine(deployment: Deployment, groups: Mapping[str, tuple[Check, ...]] = GROUPS) -> dict[str, tuple[Finding, ...]]:
    """Group → findings. What takes longer than the deployment's seconds is left, and said; what it found before
    counts."""
    seconds = deployment.seconds
    deployment.due = monotonic() + seconds
    asked = {group: [_Examined(check, deployment) for check in checks] for group, checks in groups.items()}
    everybody = [check.greenlet for checks in asked.values() for check in checks]
    gevent.joinall(everybody, timeout=seconds)
    found = {
        group: tuple(finding for check in checks for finding in (*check.found, *check.late(seconds)))
        for group, checks in asked.items()
    }
    gevent.killall([greenlet for greenlet in everybody if not greenlet.ready()], block=False)
    return {group: findings for group, findings in found.items() if findings}
