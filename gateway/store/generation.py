"""A number in memory that all processes of the machine share: reading it costs no system call."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

_BYTES = 8


class Generation:
    """`count[0]` is the shared number; whoever changes what it stands for writes another one there.

    Aligned eight bytes are read and written whole on every processor this runs on.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(path, flags, 0o600)
        try:
            os.posix_fallocate(file, 0, _BYTES)  # a hole in a full disk would end the process at the first write
            self._map = mmap.mmap(file, _BYTES)
        finally:
            os.close(file)
        self.count = memoryview(self._map).cast("Q")

    def close(self) -> None:
        self.count.release()
        self._map.close()
