"""A worker that counts what its requests do: `gunicorn -k bench.counting.CountingWorker`, for `bench.counts`."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import gevent
import greenlet

from gateway.worker import GatewayWorker

WARM_UP = 200
COUNTED = 100
ROOT = Path(__file__).resolve().parents[1]
OURS = tuple(str(ROOT / folder) for folder in ("gateway", "blueprints"))


class Counting:
    """What is done for COUNTED requests of one connection, from one's arrival to that of the next: in the greenlet that
    serves it, and beside it (batches, writers, sweeps)."""

    def __init__(self) -> None:
        self._own = greenlet.getcurrent()
        self._calls = self._beside = self._switches = self._deepest = self._blocks = 0
        self._files: set[str] = set()

    def begin(self) -> None:
        """From here on, in this greenlet and in the loop's."""
        self._base = sys.getallocatedblocks()
        greenlet.settrace(self._switched)
        gevent.get_hub().loop.run_callback(sys.setprofile, self._profiled)
        sys.setprofile(self._profiled)

    def end(self) -> dict[str, float]:
        """What it was, for each request."""
        greenlet.settrace(None)
        gevent.get_hub().loop.run_callback(sys.setprofile, None)
        sys.setprofile(None)
        return {
            "calls": self._calls / COUNTED,
            "beside": self._beside / COUNTED,
            "switches": self._switches / COUNTED,
            "blocks": self._blocks,
            "deepest": self._deepest,
            "files": len(self._files),
        }

    def _profiled(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or frame.f_code.co_filename == __file__:
            return
        if greenlet.getcurrent() is not self._own:
            self._beside += 1
            return
        self._calls += 1
        if frame.f_code.co_filename.startswith(OURS):
            self._files.add(frame.f_code.co_filename)
        depth, outer = 1, frame.f_back
        while outer is not None:
            depth, outer = depth + 1, outer.f_back
        self._deepest = max(self._deepest, depth)

    def _switched(self, _: str, between: tuple[Any, Any]) -> None:
        if self._own in between:
            self._switches += 1
        if between[0] is self._own and not self._blocks:  # the first wait is for the service
            self._blocks = sys.getallocatedblocks() - self._base


class CountingWorker(GatewayWorker):
    """Counts after WARM_UP requests, writes a line of JSON, and serves on."""

    _count: Callable[[], dict[str, float]] | None = None

    def count_request(self) -> None:
        super().count_request()
        if self.nr == WARM_UP:
            counting = Counting()
            self._count = counting.end
            counting.begin()
        elif self._count is not None and self.nr == WARM_UP + COUNTED:
            print(json.dumps({"counted": self._count()}), file=sys.stderr, flush=True)
