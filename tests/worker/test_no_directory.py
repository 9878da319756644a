"""Workers without a directory to write to, and with one that they may not use."""

import os
import re
import signal
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.gateway import Gateway, StartGateway
from harness.waiting import until


def is_ready(gateway: Gateway) -> bool:
    """Where no worker accepts yet, there is no answer."""
    try:
        return gateway.get("/health/ready").status == 200
    except OSError:
        return False


def umask(pid: int) -> str:
    (found,) = re.findall(r"^Umask:\t(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.M)
    return str(found)


def replaced(gateway: Gateway) -> None:
    """Kill the only worker."""
    (worker,) = gateway.workers()
    os.kill(worker, signal.SIGKILL)
    until(lambda: worker not in gateway.workers(), 10, "the worker's end")


def test_workers_start_and_are_replaced_without_any_directory(start_gateway: StartGateway, tmp_path: Path) -> None:
    """gunicorn has no place for their heartbeats, and the temporary directory is none."""
    (tmp_path / "file").touch()
    env = {"TMPDIR": str(tmp_path / "file"), "GUNICORN_CMD_ARGS": "--worker-tmp-dir /nowhere"}
    gateway = start_gateway(env)
    said = gateway.wait_line(lambda line: "ended sessions are kept in" in line["message"])["message"]
    assert said.endswith(f"not in {tmp_path / 'file'} (Not a directory)")
    replaced(gateway)
    until(lambda: gateway.workers() and is_ready(gateway), 30, "another worker")
    assert gateway.process.poll() is None
    assert {umask(pid) for pid in (gateway.pid, *gateway.workers())} == {"0077"}, "as without the fault"


def refusals(gateway: Gateway) -> list[dict[str, Any]]:
    return [line for line in gateway.lines() if line["message"].startswith("a worker cannot start: ")]


def test_the_pauses_of_a_worker_that_cannot_start_grow(start_gateway: StartGateway) -> None:
    gateway = start_gateway()
    (folder,) = Path(gateway.env["TMPDIR"]).glob("api-gateway-*")
    folder.chmod(0o755)
    replaced(gateway)
    until(lambda: len(refusals(gateway)) == 3, 60, "the third try")
    times = [datetime.fromisoformat(line["timestamp"]) for line in refusals(gateway)]
    waited = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    assert waited[0] > 1 and waited[1] > 2, "a second, and twice as long"
    assert all("has mode 755, not 700" in line["message"] for line in refusals(gateway))
    folder.chmod(0o700)
    until(lambda: is_ready(gateway), 30, "a worker")
