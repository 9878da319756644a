"""The command `gateway`: check, env, run."""

import subprocess
import sys
from pathlib import Path

import pytest
from harness.command import run
from harness.gateway import Gateway
from harness.issuer import Issuer
from harness.ports import free_port
from harness.repository import ROOT

from gateway.cli.main import SUBCOMMANDS
from gateway.config.example import written


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def settings(issuer: Issuer) -> dict[str, str]:
    return {"KEYCLOAK_ISSUER_URL": issuer.issuer, "NODE_ENV": "development"}


class TestCommand:
    def test_every_subcommand_says_what_it_does(self) -> None:
        for name in SUBCOMMANDS:
            ran = run(name, "--help")
            assert ran.status == 0 and len(ran.output.splitlines()) > 4, name
        assert all(name in run("--help").output for name in SUBCOMMANDS)

    def test_no_worker_imports_it(self) -> None:
        code = "import sys, gateway.app, gateway.worker, blueprints; "
        code += "print('gateway.cli' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.stdout.split() == ["False"], done.stderr


class TestCheck:
    def test_good_settings_end_with_0(self) -> None:
        ran = run("check", env={"PORT": str(free_port())})
        assert ran.status == 0 and "0 problems" in ran.output

    def test_every_problem_is_said_and_ends_with_1(self) -> None:
        ran = run("check", env={"PORT": "x", "JWT_LEEWAY": "y"})
        assert ran.status == 1 and "PORT: " in ran.output and "JWT_LEEWAY: " in ran.output

    def test_a_warning_ends_with_2_where_it_is_asked_for(self) -> None:
        env = {"FRONTEND_URL": "https://example.org", "PORT": str(free_port())}
        assert (run("check", env=env).status, run("check", "--strict", env=env).status) == (0, 2)

    def test_json_is_for_programs(self) -> None:
        found = run("check", "--json", env={"PORT": "marked"}).json()
        assert [row["setting"] for row in found["problems"]] == ["PORT"] and found["listening"] is None
        port = free_port()
        assert run("check", "--json", env={"PORT": str(port)}).json()["listening"]["bind"] == f"0.0.0.0:{port}"

    def test_a_port_that_another_has_is_a_problem_and_a_gateways_a_warning(self, issuer: Issuer) -> None:
        ran = run("check", env={"PORT": str(issuer.port)})
        assert ran.status == 1 and "PORT: " in ran.output and "taken" in ran.output

    def test_a_gateway_that_listens_is_the_one_that_runs(self, gateway: Gateway) -> None:
        ran = run("check", env={"PORT": str(gateway.port)})
        assert ran.status == 0 and "a gateway listens" in ran.output


class TestEnv:
    def test_it_writes_the_example(self, tmp_path: Path) -> None:
        assert run("env", good=False).status == 0
        assert (tmp_path / ".env.example").read_text() == written() == run("env", "-").output

    def test_it_leaves_what_is_there(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("mine")
        assert run("env", ".env").status == 1 and (tmp_path / ".env").read_text() == "mine"
        assert run("env", ".env", "--force").status == 0 and (tmp_path / ".env").read_text() == written()
