"""The lag of the event loop: seen, and small while every peer hangs."""

import itertools
import os
import re
import sqlite3
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from harness.gateway import ROOMY, Gateway, StartGateway
from harness.issuer import REALM, Issuer
from harness.metrics import Metrics, counted, scrape
from harness.redis_server import RedisServer
from harness.service import Service
from harness.stopped import StoppedPeer
from harness.suspended import TOLD, suspend, suspend_until_told
from harness.waiting import until

from gateway.loop_lag import reason_of

BLOCKED = "1.0"
"""Seconds: no loaded machine is so late, and every call that would hang for its peer is later."""

WATCHED_SECONDS = 6.0
TOLD_FROM = "0.5"

REASONS = {
    (1.0, 0.9, 0.0): "the worker computed 0.9 s",
    (1.0, 0.2, 0.8): "the worker waited 0.8 s for a CPU",
    (1.0, 0.6, 0.7): "the worker waited 0.7 s for a CPU",
    (1.0, 0.1, 0.2): "the worker was stopped, or waited in a call that blocks, as for a disk",
}


@pytest.mark.parametrize(("measured", "reason"), REASONS.items())
def test_its_reason_is_what_the_worker_did_most(measured: tuple[float, float, float], reason: str) -> None:
    assert reason_of(*measured) == reason


def test_a_long_one_is_a_line_that_says_why(start_gateway: StartGateway) -> None:
    """A worker that is stopped for a while; not one line each time, unless it is worse."""
    gateway = start_gateway(ROOMY)
    (worker,) = gateway.workers()
    assert suspend_until_told(gateway, 2.0)["level"] == "warn"
    before = late(scrape(gateway), TOLD_FROM)
    for turn in range(2):
        suspend(worker, 1.0)
        until(lambda: late(scrape(gateway), TOLD_FROM) > before + turn, 10, "a lag that is seen")
    lines = [told(line) for line in gateway.lines() if line["message"].startswith(TOLD)]
    for (at, seconds), (later, others) in itertools.pairwise(lines):
        assert later - at > timedelta(seconds=9.9) or others >= seconds, lines


def told(line: Mapping[str, Any]) -> tuple[datetime, float]:
    """When a line was written, and the lag that it tells."""
    found = re.fullmatch(r"Loop: blocked for (\d+\.\d) s: the worker .+", line["message"])
    assert found, line
    return datetime.fromisoformat(line["timestamp"]), float(found[1])


def late(metrics: Metrics, than: str = BLOCKED) -> float:
    """How often the loop was later than so many seconds."""
    return metrics.value("event_loop_lag_seconds_count") - metrics.value("event_loop_lag_seconds_bucket", le=than)


def test_is_seen_four_times_a_second(start_gateway: StartGateway) -> None:
    gateway = start_gateway(ROOMY)
    before = scrape(gateway)
    counted(gateway, lambda now: now.value("event_loop_lag_seconds_count") >= 8)
    assert late(scrape(gateway)) == late(before)


@pytest.mark.conformance("L8")
def test_is_small_while_every_peer_is_stopped(
    start_gateway: StartGateway, issuer: Issuer, services: Mapping[str, Service], tmp_path: Path
) -> None:
    """A service, Redis, Loki, Jaeger, an OTLP collector and Kafka: each is there, and says nothing."""
    with ExitStack() as running:
        stopped = running.enter_context(StoppedPeer())
        redis = running.enter_context(RedisServer(tmp_path))
        gateway = start_gateway(
            {
                **ROOMY,
                "REDIS_URL": redis.url,
                "LOKI_HOST": stopped.url,
                "JAEGER_ENDPOINT": f"{stopped.url}/api/traces",
                "OTEL_EXPORTER_OTLP_ENDPOINT": stopped.url,
                "KAFKA_BROKERS": f"127.0.0.1:{stopped.port}",
                "INTERVIEW_SERVICE_URL": stopped.url,
                "PROXY_READ_TIMEOUT": "3",
            }
        )
        token = issuer.mint()
        assert gateway.get("/users/me", token).status == 200
        redis.hang()
        before = scrape(gateway)
        hanging = [
            threading.Thread(target=gateway.get, args=("/interviews/1", token), kwargs={"timeout": 60}, name="harness")
            for _ in range(5)
        ]
        for thread in hanging:
            thread.start()
        serve_and_watch(gateway, token, before)
        for thread in hanging:
            thread.join(20)
        redis.go_on()


@pytest.mark.conformance("L8")
def test_is_small_while_keycloak_hangs_and_nobody_reads_the_log(start_gateway: StartGateway, issuer: Issuer) -> None:
    """What needs Keycloak waits for it, and says so at length; everything else is answered."""
    reader, writer = os.pipe()
    try:
        with StoppedPeer() as stopped:
            env = {**ROOMY, "KEYCLOAK_INTERNAL_URL": f"{stopped.url}{REALM}"}
            gateway = start_gateway(env, ready=False, stdout=writer)
            before = scrape(gateway)
            with ThreadPoolExecutor(5, "harness") as hanging:
                for _ in range(5):
                    hanging.submit(gateway.get, "/users/me", issuer.mint(), timeout=60)
                for number in range(400):
                    assert gateway.get(f"/nowhere/{'x' * 3000}/{number}").status == 404
            seen = before.value("event_loop_lag_seconds_count") + 8
            after = counted(gateway, lambda now: now.value("event_loop_lag_seconds_count") >= seen)
            assert late(after) == late(before)
            gateway.stop()
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.conformance("L8")
def test_is_small_while_another_process_holds_the_store(start_gateway: StartGateway, issuer: Issuer) -> None:
    """SQLite's lock: a sign-in that needs it goes on without, other requests do not notice."""
    gateway = start_gateway(ROOMY)
    token = issuer.mint()
    before = scrape(gateway)
    (store,) = gateway.own.rglob("store.db")
    with closing(sqlite3.connect(store, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        assert gateway.get("/auth/login", headers={"Accept": "application/json"}, timeout=30).status < 500
        serve_and_watch(gateway, token, before)


def serve_and_watch(gateway: Gateway, token: str, before: Metrics) -> None:
    """Requests are answered for a while, and the loop is never late."""
    end = time.monotonic() + WATCHED_SECONDS
    while time.monotonic() < end:
        assert gateway.get("/users/me", token, timeout=5).status == 200
        time.sleep(0.02)
    seen = before.value("event_loop_lag_seconds_count") + 8
    after = counted(gateway, lambda now: now.value("event_loop_lag_seconds_count") >= seen)
    assert late(after) == late(before)
