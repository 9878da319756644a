"""All checks at once, under one time limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import gevent

from gateway.doctor import behind, brokers, claims, client, front, issuer, machine, observers, peers, redis_server
from gateway.doctor.deployment import Deployment
from gateway.doctor.finding import Finding, unknown

EXAMINATION_SECONDS = 20.0

Check = Callable[[Deployment], Iterator[Finding]]

GROUPS: Mapping[str, tuple[Check, ...]] = MappingProxyType(
    {
        "This machine": machine.CHECKS,
        "Names and certificates": peers.CHECKS,
        "Keycloak": issuer.CHECKS,
        "The client at Keycloak": client.CHECKS,
        "Tokens": claims.CHECKS,
        "Services": behind.CHECKS,
        "Redis": redis_server.CHECKS,
        "Kafka": brokers.CHECKS,
        "Logs and traces": observers.CHECKS,
        "In front": front.CHECKS,
    }
)
"""The registry: a check is a function of its peer's module, listed in the module's CHECKS."""


def examine(deployment: Deployment, seconds: float = EXAMINATION_SECONDS) -> dict[str, tuple[Finding, ...]]:
    """Group → findings. What takes longer than `seconds` in all is left, and said."""
    asked = {
        group: [(check, gevent.spawn(_findings, check, deployment)) for check in checks]
        for group, checks in GROUPS.items()
    }
    everybody = [greenlet for checks in asked.values() for _, greenlet in checks]
    gevent.joinall(everybody, timeout=seconds)
    found = {
        group: tuple(
            finding
            for check, greenlet in checks
            for finding in (greenlet.value if greenlet.value is not None else [_late(check, seconds)])
        )
        for group, checks in asked.items()
    }
    gevent.killall([greenlet for greenlet in everybody if not greenlet.ready()], block=False)
    return {group: findings for group, findings in found.items() if findings}


def _findings(check: Check, deployment: Deployment) -> list[Finding]:
    try:
        return list(check(deployment))
    except Exception as error:  # a fault of the doctor's own must not hide what the others found
        return [unknown(_name(check), f"the check itself failed ({type(error).__name__})", "report it")]


def _late(check: Check, seconds: float) -> Finding:
    return unknown(_name(check), f"no answer within {seconds:g} s", "--limit SECONDS waits longer")


def _name(check: Check) -> str:
    return str(getattr(check, "__name__", "check")).replace("_", " ")
