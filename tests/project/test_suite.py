"""The suite's rules hold: no warning passes, no test reaches beyond this machine, the map of the tests is whole."""

import os
import re
import signal
import socket
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from harness.gateway import alive
from harness.repository import ROOT, TESTS
from harness.waiting import until

STARTS_A_GATEWAY = """
import time
from hypothesis import given, strategies

def test_one(start_gateway):
    gateway = start_gateway()

    @given(strategies.none())
    def example(_):
        print("gateway", gateway.pid, flush=True)
        time.sleep(100)

    example()
"""
"""Hypothesis tries an example again that ended with an Exception."""


def test_a_warning_is_an_error() -> None:
    with pytest.raises(DeprecationWarning):
        warnings.warn("old", DeprecationWarning, stacklevel=1)


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "example.com", "127.evil.test"])
def test_only_the_loopback_is_reached(address: str) -> None:
    with pytest.raises(AssertionError, match="only the loopback"):
        socket.create_connection((address, 80), timeout=0.1)


def test_the_loopback_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass


def test_the_map_names_all_that_is_here() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \|", (ROOT / "tests" / "README.md").read_text(), re.M)
    here = {entry.name for entry in (ROOT / "tests").iterdir()} - {"README.md", "__pycache__"}
    assert sorted(rows) == sorted(here)


def test_a_run_that_is_told_to_end_leaves_nothing_behind(tmp_path: Path) -> None:
    """Not even a gateway, which is in a session of its own."""
    (tmp_path / "test_one.py").write_text(STARTS_A_GATEWAY)
    command: list[str | Path] = [sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml", "--rootdir", tmp_path]
    command += ["-p", "conftest", "-p", "no:cacheprovider", "-s", tmp_path / "test_one.py"]
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as run,
    ):
        try:
            shown = tmp_path / "log"
            found = until(lambda: re.search(r"gateway (\d+)", shown.read_text()), 60, "a gateway of the run")
            run.send_signal(signal.SIGTERM)
            assert run.wait(60) == 128 + signal.SIGTERM, shown.read_text()
        finally:
            run.kill()
    assert not alive(int(found[1]))
