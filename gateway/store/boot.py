"""Identifies the boot of the machine, because monotonic times of another boot are meaningless."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32


def boot_id() -> bytes:
    """The same for all processes until the machine reboots; empty if the system (not Linux) does not state it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    except OSError:
        return b""


def boot_number() -> int:
    """The boot as a number of 31 bits, never 0."""
    return crc32(boot_id()) & 0x7FFFFFFF or 1
