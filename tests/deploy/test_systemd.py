"""The units of deploy/systemd agree with the gateway, and how one does that is started that way. systemd-analyze judges
them in tests/real."""

import ast
import configparser
import os
import re
import signal
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from harness import http
from harness.activated import ActivatedGateway
from harness.gateway import ROOMY, StartGateway
from harness.issuer import Issuer
from harness.load import Load
from harness.repository import ROOT
from harness.service import Service
from harness.waiting import until

from gateway.check import STOPPING_SECONDS
from gateway.config.settings import Settings

UNITS = ROOT / "deploy" / "systemd"


class Unit(configparser.ConfigParser):
    """A unit file; of a directive that is there several times the last is kept."""

    def __init__(self, name: str) -> None:
        super().__init__(strict=False, interpolation=None)
        self.optionxform = str  # type: ignore[assignment,method-assign]
        self.read(UNITS / name)


def constant(name: str) -> int:
    """A number of gunicorn.conf.py."""
    nodes = ast.parse((ROOT / "gunicorn.conf.py").read_text()).body
    (value,) = [node.value for node in nodes if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name]
    return int(ast.literal_eval(value))


def test_its_time_to_stop_fits_the_gateways() -> None:
    """graceful_timeout and two seconds of the gateway's own; then some for the master."""
    stop = int(Unit("api-gateway.service")["Service"]["TimeoutStopSec"].removesuffix("s"))
    graceful = int(Settings.model_fields["drain_timeout"].default) + STOPPING_SECONDS
    assert graceful + 2 < stop <= graceful + 30
    assert Unit("api-gateway.service")["Service"]["KillMode"] == "mixed"


def test_its_descriptors_fit_the_gateways() -> None:
    """A connection of a client and one to a service, in each of sixteen workers."""
    limit = int(Unit("api-gateway.service")["Service"]["LimitNOFILE"])
    assert limit >= 16 * 2 * constant("worker_connections")
    assert int(Unit("api-gateway.socket")["Socket"]["Backlog"]) == 2048, "gunicorn's own"


class TestActivated:
    @pytest.fixture
    def activated(self, issuer: Issuer, services: Mapping[str, Service], tmp_path: Path) -> Iterator[ActivatedGateway]:
        urls = {name: service.url for name, service in services.items()}
        with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
            with ActivatedGateway(listener, ROOMY, issuer=issuer, services=urls, cwd=tmp_path, ready=True) as running:
                yield running
            running.close()

    @pytest.mark.conformance("S1")
    def test_a_connection_made_while_it_is_down_is_served(
        self, activated: ActivatedGateway, bearer: dict[str, str]
    ) -> None:
        assert "READY=1\nSTATUS=Gunicorn arbiter booted" in activated.states()
        assert activated.get("/users/me", headers=bearer).status == 200
        activated.stop()
        with http.Connection(activated.port, timeout=30) as early:
            early.request("GET", "/users/me", bearer)
            activated.start()
            assert early.receive().status == 200
        assert any(state.startswith("READY=1") for state in activated.states())

    def test_its_files_are_its_own(self, activated: ActivatedGateway) -> None:
        """UMask=0077, and all of it works without memory that is written to and run."""
        kept = [file for file in (activated.own / "tmp").rglob("*") if not file.is_socket()]
        assert kept and not [file for file in kept if file.stat().st_mode & 0o077]


@pytest.mark.conformance("S2")
def test_usr2_begins_a_new_master_beside_the_old_one(start_gateway: StartGateway, bearer: dict[str, str]) -> None:
    """An upgrade without systemd: USR2, wait for the new workers, TERM to the old master."""
    gateway = start_gateway(ROOMY)
    old = gateway.pid
    with Load(gateway, bearer) as load:
        until(lambda: load.good > 20, 20)
        gateway.signal(signal.SIGUSR2)
        until(lambda: len(re.findall("Booting worker with pid", gateway.raw_output())) >= 2, 60, "the new worker")
        so_far = load.good
        until(lambda: load.good > so_far + 20, 20)
        os.kill(old, signal.SIGTERM)
        gateway.wait(40)
        so_far = load.good
        until(lambda: load.good > so_far + 20, 20, "the new one to serve alone")
    assert load.failures == []
    gateway.kill()
