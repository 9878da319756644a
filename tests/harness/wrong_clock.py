"""The gateway on a machine whose clock is set while it runs: `harness.wrong_clock:app`.

By how many seconds it is off is in the file that CLOCK_OFFSET names.
"""

import os
import time
from pathlib import Path

_right = time.time


def _wrong() -> float:
    return _right() + float(Path(os.environ["CLOCK_OFFSET"]).read_text())


time.time = _wrong

from wsgi import app  # noqa: E402  (what it imports has to find the wrong clock)

__all__ = ["app"]
