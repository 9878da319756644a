"""OpenTelemetry's own settings, `OTEL_*`: what the gateway would not start with, or would never deliver to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.config.address_parsers import read_url
from gateway.config.problem import Problem

_SAMPLERS = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)
"""The SDK's (OpenTelemetry's environment variables, "General SDK Configuration")."""

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def otel_problems(otel: Mapping[str, str]) -> Iterator[Problem]:
    """What is wrong with them."""
    yield from _sampler(otel)
    for name in _ENDPOINTS:
        if name in otel and not _is_url(otel[name]):
            yield Problem(name, "expected the collector's http:// or https:// URL, such as http://localhost:4318")


def _sampler(otel: Mapping[str, str]) -> Iterator[Problem]:
    """The SDK would trace every request, and log its own message."""
    if otel.get("OTEL_TRACES_SAMPLER", _SAMPLERS[0]).lower() not in _SAMPLERS:
        yield Problem("OTEL_TRACES_SAMPLER", f"expected one of {', '.join(_SAMPLERS)}")
    try:
        sound = 0 <= float(otel.get("OTEL_TRACES_SAMPLER_ARG", 1)) <= 1
    except ValueError:
        sound = False
    if not sound:
        yield Problem("OTEL_TRACES_SAMPLER_ARG", "expected a ratio from 0 to 1")


def _is_url(value: str) -> bool:
    try:
        read_url(value)
    except ValueError:
        return False
    return True
