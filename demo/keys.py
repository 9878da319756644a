"""What somebody types while the demo runs."""

from __future__ import annotations

import os
import select
import sys


class Keys:
    """Lines of the standard input, without waiting for them; none where there is no input."""

    def __init__(self) -> None:
        try:
            self._input: int | None = sys.stdin.fileno()
        except (AttributeError, ValueError, OSError):
            self._input = None

    def read(self) -> list[str]:
        """The lines that were typed since the last time, in small letters and without blanks around them."""
        if self._input is None or not select.select([self._input], [], [], 0)[0]:
            return []
        try:
            typed = os.read(self._input, 4096)
        except OSError:  # a terminal that the demo is in the background of
            typed = b""
        if not typed:
            self._input = None
        return [line.strip().lower() for line in typed.decode(errors="replace").splitlines()]
