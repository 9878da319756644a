"""`gateway run` in an empty folder with a `.env`: it starts, reloads, and no setting ends it on a reload."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
from harness.environment import GOOD
from harness.gateway import alive, processes
from harness.http import request
from harness.issuer import Issuer
from harness.ports import free_port
from harness.repository import ROOT
from harness.waiting import until

COMMAND = [sys.executable, "-c", "from gateway.cli.main import console; console()", "run", "--pid", "pid"]


class Running:
    """`gateway run`, its settings in the file of its folder alone."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder, self.settings, self.port = folder, settings, int(settings["PORT"])
        self.write({})
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
        with (folder / "out").open("wb") as out:
            self.process = subprocess.Popen(
                COMMAND, cwd=folder, env=env, stdout=out, stderr=out, start_new_session=True
            )

    def write(self, changes: Mapping[str, str]) -> None:
        """Settings and changes, as the file."""
        lines = [f"{name}={value}" for name, value in {**self.settings, **changes}.items()]
        (self.folder / ".env").write_text("\n".join(lines) + "\n")

    @property
    def output(self) -> str:
        return (self.folder / "out").read_text()

    def refusals(self) -> list[str]:
        """The lines of reloads that were refused."""
        lines = [json.loads(line) for line in self.output.splitlines() if line.startswith("{")]
        return [line["message"] for line in lines if line["message"].startswith("reload refused")]

    def has_refused(self, before: int) -> bool:
        """Whether more reloads were refused than `before`."""
        return len(self.refusals()) > before

    def answers(self, port: int | None = None) -> bool:
        """Whether it is ready."""
        assert self.process.poll() is None, self.output
        try:
            return request(port or self.port, "GET", "/health/ready").status == 200
        except OSError:
            return False

    def reload(self, changes: Mapping[str, str]) -> None:
        """SIGHUP after changes."""
        self.write(changes)
        self.process.send_signal(signal.SIGHUP)

    def children(self) -> list[int]:
        """The master's: its worker, and a check."""
        return [pid for pid, parent, state in processes() if parent == self.process.pid and state != "Z"]

    def end(self) -> None:
        if alive(self.process.pid):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def running(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = {**GOOD, "KEYCLOAK_ISSUER_URL": issuer.issuer, "PORT": str(free_port()), "HOST": "127.0.0.1"}
    settings["WEB_CONCURRENCY"] = "1"
    assert len(settings) == 12
    started = Running(tmp_path_factory.mktemp("empty"), settings)
    try:
        until(started.answers, 60, "the gateway")
        yield started
    finally:
        started.end()


def test_a_file_of_twelve_lines_is_enough(running: Running) -> None:
    assert int((running.folder / "pid").read_text()) == running.process.pid, "the process is gunicorn's master"
    assert {file.name for file in running.folder.iterdir()} - {"out", ".env", "pid"} <= {
        file.name for file in running.folder.glob("api-gateway-*")
    }


@pytest.mark.conformance("S2")
def test_settings_that_the_boot_would_refuse_end_no_reload(running: Running, issuer: Issuer) -> None:
    """They are of the right kind: a library, or the system, refuses them when the app is built or the port bound."""
    for name, value in (
        ("REDIS_URL", "redis://:marked/pass@redis:6379/0"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "marked"),
        ("PORT", str(issuer.port)),
        ("HOST", "192.0.2.77"),
        ("HOST", "0.0.0.0"),
    ):
        before = len(running.refusals())
        running.reload({name: value})
        until(partial(running.has_refused, before), 30, f"the refusal of {name}")
        assert f"{name}: " in running.refusals()[-1]
    assert "marked" not in running.output
    assert running.answers()


@pytest.mark.conformance("S2")
def test_a_reload_may_change_the_port(running: Running) -> None:
    port = free_port()
    running.reload({"PORT": str(port)})
    until(lambda: running.answers(port), 30, "the new port")
    running.reload({})
    until(running.answers, 30, "the old port")


@pytest.mark.conformance("S2")
def test_a_reload_during_the_check_of_another_ends_nothing(running: Running) -> None:
    """Nor do settings of which a library only warns: what it logs is not taken for the result of the check."""
    refused, reloads = len(running.refusals()), running.output.count("Hang up: ")
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    running.reload({**endpoint, "OTEL_RESOURCE_ATTRIBUTES": "team", "OTEL_EXPORTER_OTLP_HEADERS": "none"})
    until(lambda: len(running.children()) > 1, 30, "the check")
    running.reload({})
    until(lambda: running.output.count("Hang up: ") >= reloads + 2, 60, "both reloads")
    until(running.answers, 30, "the new worker")
    running.reload({})
    until(lambda: running.output.count("Hang up: ") == reloads + 3, 60, "the master to go on")
    until(running.answers, 30, "the newest worker")
    assert len(running.refusals()) == refused


def test_it_stops_as_gunicorn_does(running: Running) -> None:
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(30) == 0
