"""Health, liveness and readiness (docs/operating.md): what each says, and that no probe waits for a stuck service."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from socket import socket
from typing import Any

import pytest
from harness import replies
from harness.errors import TIMESTAMP
from harness.gateway import NOBODY, Gateway, StartGateway
from harness.issuer import Issuer
from harness.received import Received
from harness.service import Service
from harness.waiting import until

from gateway.services import SERVICES
from gateway.version import VERSION

NAMES = {spec.path.strip("/"): spec.health_name for spec in SERVICES}
PATIENCE = 10
"""Seconds in which every probe of a stuck service must be over: its time limit, and much air."""


@pytest.fixture
def probed() -> Iterator[dict[str, Service]]:
    """Services of the test's own, below a path, so that their /health is theirs to answer; 200 at first."""
    with ExitStack() as stack:
        found = {name: stack.enter_context(Service()) for name in NAMES}
        for service in found.values():
            service.answer = replies.sized(200, [], b"ok")
        yield found


def below(services: dict[str, Service]) -> dict[str, str]:
    return {name: f"{service.url}/base" for name, service in services.items()}


class TestHealth:
    def test_health_is_200_when_all_are_well(self, gateway: Gateway) -> None:
        answer = gateway.get("/health")
        assert answer.status == 200
        assert (answer.header("Content-Type") or "").startswith("application/json")
        body = answer.json()
        assert set(body) == {"status", "timestamp", "uptime", "version", "commit", "services"}
        assert body["version"] == VERSION and body["commit"] == "unknown"
        assert body["status"] == "ok"
        assert TIMESTAMP.fullmatch(body["timestamp"])
        assert 0 <= body["uptime"] < 3600
        assert body["services"] == dict.fromkeys([*NAMES.values(), "keycloak"], "healthy")

    def test_uptime_counts_seconds(self, gateway: Gateway) -> None:
        before = gateway.get("/health").json()["uptime"]
        until(lambda: 0.2 < gateway.get("/health").json()["uptime"] - before < 5, 5, "time to pass")

    def test_health_asks_each_service_below_its_base_url(
        self, start_gateway: StartGateway, probed: dict[str, Service]
    ) -> None:
        gateway = start_gateway(services=below(probed))
        assert gateway.get("/health").status == 200
        for service in probed.values():
            assert {(received.method, received.target) for received in service.requests} == {("GET", b"/base/health")}
            assert not service.last.all("Authorization")

    def test_health_names_no_media_service_where_there_is_none(self, start_gateway: StartGateway) -> None:
        gateway = start_gateway({"MEDIA_SERVICE_URL": ""})
        answer = gateway.get("/health")
        assert answer.status == 200
        assert set(answer.json()["services"]) == {*NAMES.values(), "keycloak"} - {"mediaService"}

    @pytest.mark.parametrize("name", ["users", "media"])
    def test_health_is_503_when_a_service_is_refused(
        self, start_gateway: StartGateway, services: dict[str, Service], name: str
    ) -> None:
        up = {other: service.url for other, service in services.items() if other != name}
        self.check_degraded(start_gateway(services=up), NAMES[name])

    def test_health_is_503_when_a_service_says_so(
        self, start_gateway: StartGateway, probed: dict[str, Service]
    ) -> None:
        probed["users"].answer = replies.sized(500, [], b"ill")
        self.check_degraded(start_gateway(services=below(probed)), "userService")

    def test_a_service_without_a_health_path_is_healthy(
        self, start_gateway: StartGateway, probed: dict[str, Service]
    ) -> None:
        """Any answer below 500 comes from a service that is there; a redirect is not followed."""
        probed["users"].answer = replies.sized(404, [], b"")
        probed["interviews"].answer = replies.sized(401, [], b"")
        probed["media"].answer = replies.sized(302, [("Location", NOBODY)], b"")
        assert start_gateway(services=below(probed)).get("/health").status == 200

    def test_health_is_503_when_keycloak_is_gone(self, start_gateway: StartGateway) -> None:
        """Readiness stays: the keys that were read go on working."""
        with Issuer() as realm:
            gateway = start_gateway(issuer=realm)
            realm.stop()
            self.check_degraded(gateway, "keycloak")
            assert gateway.get("/health/ready").status == 200

    def test_health_gets_well_again(self, start_gateway: StartGateway, services: dict[str, Service]) -> None:
        with Service() as users:
            users.stop()
            gateway = start_gateway(services={**services, "users": users})
            self.check_degraded(gateway, "userService")
            users.start()
            until(lambda: gateway.get("/health").status == 200, 15, "the service to be found well")

    def test_health_reports_a_redis_that_is_gone(self, start_gateway: StartGateway) -> None:
        """It is reported, and never makes it 503: requests go on without it."""
        gateway = start_gateway({"REDIS_URL": "redis://127.0.0.1:1/0"})
        answer = gateway.get("/health")
        assert answer.status == 200
        services = answer.json()["services"]
        assert set(services) == {*NAMES.values(), "keycloak", "redis"}
        assert services["redis"] == "unhealthy"

    @staticmethod
    def check_degraded(gateway: Gateway, *names: str) -> None:
        answer = gateway.get("/health", timeout=PATIENCE)
        assert answer.status == 503
        body = answer.json()
        assert body["status"] == "degraded"
        assert {name for name, state in body["services"].items() if state == "unhealthy"} == set(names)
        assert {name for name, state in body["services"].items() if state == "healthy"}
        assert "127.0.0.1" not in answer.text


class TestProbes:
    def test_probes_run_at_once(self, start_gateway: StartGateway, probed: dict[str, Service]) -> None:
        """No service answers before all of them, and Keycloak, were asked."""
        with Issuer() as realm:
            gateway = start_gateway(issuer=realm, services=below(probed))
            together = threading.Barrier(len(probed) + 1, timeout=PATIENCE)

            def wait(received: Received, conn: socket) -> Any:
                together.wait()
                return replies.sized(200, [], b"ok")(received, conn)

            def discovery(call: object) -> Any:
                together.wait()
                return 200, {"Content-Type": "application/json"}, b"{}"

            for service in probed.values():
                service.answer = wait
            realm.discovery_answer = discovery
            services = gateway.get("/health").json()["services"]
            assert {services[name] for name in NAMES.values()} == {"healthy"}

    def test_probes_are_remembered_for_a_while(self, start_gateway: StartGateway, probed: dict[str, Service]) -> None:
        """A probe in flight is shared too."""
        gateway = start_gateway(services=below(probed))
        probed["users"].answer = replies.slow(0.3, replies.sized(200, [], b"ok"))
        begun = time.monotonic()
        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda _: gateway.get("/health"), range(30)))
        assert {answer.status for answer in answers} == {200}
        lasted = time.monotonic() - begun
        for service in probed.values():
            assert len(service.requests) <= 1 + lasted

    def test_a_probe_of_a_stuck_service_ends(self, start_gateway: StartGateway, probed: dict[str, Service]) -> None:
        """And while they last, all else is answered."""
        probed["interviews"].answer = replies.hang()
        gateway = start_gateway(services=below(probed))
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(gateway.get, "/health", timeout=PATIENCE)
            until(lambda: probed["interviews"].requests, 5, "the probe")
            for path in ("/health/live", "/health/ready"):
                assert gateway.get(path).status == 200
            answer = asking.result()
        assert answer.status == 503
        services = answer.json()["services"]
        assert services.pop("interviewService") == "unhealthy"
        assert set(services.values()) == {"healthy"}

    def test_all_instances_of_a_service_are_probed_at_once(
        self, start_gateway: StartGateway, probed: dict[str, Service]
    ) -> None:
        """It is healthy while one answers, wherever that stands: those that hang take nobody's time."""
        for name in ("users", "media"):
            probed[name].answer = replies.hang()
        urls = ",".join(below(probed)[name] for name in ("users", "media", "interviews"))
        gateway = start_gateway(services={"users": urls, "interviews": below(probed)["interviews"]})
        answer = gateway.get("/health", timeout=PATIENCE)
        assert answer.json()["services"]["userService"] == "healthy"

    def test_a_probe_of_a_service_that_drips_ends(
        self, start_gateway: StartGateway, probed: dict[str, Service]
    ) -> None:
        """A byte now and then is no sign of health either."""
        probed["media"].answer = replies.drip(b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 100, every=0.3)
        gateway = start_gateway(services=below(probed))
        assert gateway.get("/health", timeout=PATIENCE).json()["services"]["mediaService"] == "unhealthy"

    def test_a_probe_of_a_hanging_keycloak_ends(self, start_gateway: StartGateway) -> None:
        with Issuer() as realm:
            gateway = start_gateway(issuer=realm)
            realm.hang()
            answer = gateway.get("/health", timeout=PATIENCE)
            assert answer.status == 503
            assert answer.json()["services"]["keycloak"] == "unhealthy"
            assert gateway.get("/users/me", realm.mint()).status == 200


class TestAnyone:
    @pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_anyone_may_ask_for_health(self, gateway: Gateway, path: str, method: str) -> None:
        answer = gateway.get(path, method=method)
        assert answer.status == 200
        assert bool(answer.body) == (method == "GET")
