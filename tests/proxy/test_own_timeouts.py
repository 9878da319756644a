"""A route may have time-outs of its own; the service's breaker and places stay those of all its routes."""

from collections.abc import Iterator

import pytest
from harness import replies
from harness.errors import check_error
from harness.gateway import Gateway
from harness.gateways import GatewayFactory
from harness.metrics import scrape
from harness.service import Service


@pytest.fixture(scope="module")
def patient(make_gateway: GatewayFactory) -> Iterator[Gateway]:
    with make_gateway({"PROXY_READ_TIMEOUT": "1"}, app="harness.own_timeouts:app") as running:
        yield running


def test_a_route_waits_longer_than_its_service_s_others(patient: Gateway, interviews: Service, token: str) -> None:
    interviews.answer = replies.slow(2)
    check_error(patient.get("/interviews/1", token), 504)
    assert patient.get("/own/slow", token).status == 200


def test_its_calls_are_calls_to_that_service(patient: Gateway, interviews: Service, token: str) -> None:
    def answered() -> float:
        found = scrape(patient).value("service_proxy_duration_seconds_count", service="interview-service")
        return float(found)

    before = answered()
    assert patient.get("/own/slow", token).status == 200
    assert answered() == before + 1
