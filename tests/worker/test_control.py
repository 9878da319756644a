"""gunicorn's control socket, which is an option."""

import stat
import subprocess
import sys
from pathlib import Path

from harness.gateway import StartGateway
from harness.waiting import until


def test_gunicornc_finds_a_socket_that_is_asked_for(start_gateway: StartGateway, tmp_path: Path) -> None:
    """Its owner alone may use it."""
    control = tmp_path / "control"
    gateway = start_gateway({"GUNICORN_CMD_ARGS": f"--control-socket {control}"})
    until(control.exists, 10, "the socket")
    assert stat.S_IMODE(control.stat().st_mode) == 0o600
    command = [sys.executable, "-m", "gunicorn.ctl.cli", "-s", str(control), "-c", "worker add 1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    until(lambda: len(gateway.workers()) == 2, 20, "another worker")
    assert gateway.get("/health/ready").status == 200


def test_there_is_none_by_default(start_gateway: StartGateway, tmp_path: Path) -> None:
    gateway = start_gateway({"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)})
    assert gateway.get("/health/ready").status == 200
    assert not [path for path in tmp_path.rglob("*") if path.is_socket()]
