"""A deployment that tests break, each alert's way: gateways whose peers are away, and what an operator runs there."""

import os
import resource
import signal
import subprocess
import sys
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

from harness import http, replies
from harness.gateway import NOBODY, Gateway
from harness.gateways import GatewayFactory
from harness.issuer import Issuer
from harness.lifetime import Lifetime
from harness.ports import free_port
from harness.refusing_broker import RefusingBroker
from harness.service import Service

OTHER_TARGETS = b"""{"status": "success", "data": {"activeTargets": [{"discoveredLabels": {"job": "node"},
"scrapePool":"node","lastError":"","health":"up"}], "droppedTargets": []}}"""
"""What Prometheus says that scrapes others."""


class Broken(Lifetime):
    """Each gateway starts when it is first asked for, and runs until the end."""

    def __init__(self, make_gateway: GatewayFactory, issuer: Issuer) -> None:
        self._make = make_gateway
        self.issuer = issuer
        self._running = ExitStack()

    def start(self) -> None:
        self.users = self._running.enter_context(Service(port=free_port()))
        self.interviews = self._running.enter_context(Service())
        self.media = self._running.enter_context(Service())
        self.prometheus = self._running.enter_context(Service())
        self.prometheus.answer = replies.sized(200, [("Content-Type", "application/json")], OTHER_TARGETS)

    def stop(self) -> None:
        self._running.close()

    def _gateway(self, env: dict[str, str], *, stops: bool = True, **options: Any) -> Gateway:
        gateway = self._make({"LOG_LEVEL": "info", **env}, **options)
        if stops:
            return self._running.enter_context(gateway)
        self._running.callback(gateway.kill)
        return gateway

    @cached_property
    def main(self) -> Gateway:
        """Its services are up; Redis, Kafka, Loki and Jaeger are not."""
        services = {"users": self.users, "interviews": self.interviews, "media": self.media}
        away = {
            "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
            "KAFKA_BROKERS": f"127.0.0.1:{free_port()}",
            "LOKI_HOST": NOBODY,
            "JAEGER_ENDPOINT": f"{NOBODY}/api/traces",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        limits = {"PROXY_MAX_IN_FLIGHT": "3", "PROXY_USER_SHARE": "1", "RATE_LIMIT_DEFAULT": "1000000 per minute",
                  "RATE_LIMIT_AUTH": "5 per minute"}  # fmt: skip
        return self._gateway({**away, **limits}, services=services)

    @cached_property
    def without_keycloak(self) -> Gateway:
        return self._gateway({}, issuer=None, services={}, ready=False)

    @cached_property
    def without_room(self) -> Gateway:
        """Its workers can not make files as large as those that they share: first the counters of rate limits, after a
        reload those of the metrics too."""
        gateway = self._gateway({}, app="harness.no_room:app", workers=2)
        resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (1 << 19, 1 << 19))
        gateway.signal(signal.SIGHUP)
        return gateway

    @cached_property
    def stopped(self) -> Gateway:
        """It was stopped, and its settings are not what they were."""
        gateway = self._gateway({}, stops=False)
        gateway.stop()
        gateway.env["PROXY_READ_TIMEOUT"] = "30s"
        return gateway

    @cached_property
    def losing_events(self) -> Gateway:
        """It was stopped with an event that Kafka never took."""
        gateway = self._gateway({"KAFKA_BROKERS": f"127.0.0.1:{free_port()}"}, stops=False)
        self.sign_out(gateway)
        gateway.stop()
        return gateway

    @cached_property
    def refused_events(self) -> Gateway:
        """Kafka refuses its events."""
        broker = self._running.enter_context(RefusingBroker())
        gateway = self._gateway({"KAFKA_BROKERS": broker.address, "KAFKA_CLIENT": "pykafka"})
        self.sign_out(gateway)
        return gateway

    def sign_out(self, gateway: Gateway) -> None:
        """End a session, which is an event."""
        assert gateway.get("/auth/logout", self.issuer.mint(), method="POST").status == 200

    def call(self, path: str, status: int) -> None:
        assert self.main.get(path, self.issuer.mint(), timeout=20).status == status

    def leave(self, path: str) -> None:
        """A client that does not wait for its answer."""
        with http.Connection(self.main.port) as client:
            client.request("GET", path, {"Authorization": f"Bearer {self.issuer.mint()}", "User-Agent": "impatient"})


def run(gateway: Gateway, command: str, prometheus: str) -> str:
    """What a command of the runbook prints, in the directory of the gateway; `log` shows its standard output."""
    env = {
        **gateway.env,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{gateway.env['PATH']}",
        "GATEWAY": gateway.url,
        "PROMETHEUS": prometheus,
        "LOG": str(gateway.own / "stdout"),
    }
    script = 'log() { cat "$LOG"; }\n' + command
    done = subprocess.run(["sh", "-c", script], cwd=gateway.cwd, env=env, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr
