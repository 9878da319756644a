"""Wall-clock time as the gateway writes it. Durations are measured with `time.monotonic`, never with this."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from time import time


def timestamp() -> str:
    """Now, as UTC ISO 8601 with milliseconds and `Z`."""
    now = time()
    second = int(now)
    return f"{_second(second)}.{int((now - second) * 1000):03}Z"


@lru_cache(maxsize=2)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()[:-6]
