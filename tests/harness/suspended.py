"""A worker that is stopped (SIGSTOP) for a while, and says afterwards that its loop was blocked."""

import os
import signal
import time
from typing import Any

from harness.gateway import Gateway
from harness.waiting import until

TOLD = "Loop:"
SAYS_WHY = "the worker was stopped"


def suspend(worker: int, seconds: float) -> None:
    """For at least so long."""
    os.kill(worker, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.kill(worker, signal.SIGCONT)


def suspend_until_told(gateway: Gateway, seconds: float) -> dict[str, Any]:
    """Its line. Another cause, on a busy machine, may have taken the one of these seconds: then it is stopped again."""
    (worker,) = gateway.workers()

    def told() -> dict[str, Any] | None:
        suspend(worker, seconds)
        assert gateway.get("/health/live", timeout=30).status == 200
        lines = (line for line in gateway.lines() if line["message"].startswith(TOLD))
        return next((line for line in lines if SAYS_WHY in line["message"]), None)

    return until(told, 60, "the line of a worker that was stopped")
