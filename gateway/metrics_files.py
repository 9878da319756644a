"""The files in which workers count: their room is taken before it is needed.

prometheus_client makes and extends them as holes, and the first write to a hole in a full file system ends the process
(SIGBUS). Where there is no room a worker counts by itself, or leaves new series out; it never ends.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
from contextlib import suppress
from pathlib import Path

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names their folder; without it prometheus_client counts in the process alone."""

MASTER = "API_GATEWAY_METRICS_OF"
"""The variable that names the process of gunicorn's master, which makes the folder."""

ENDED = "ended"
"""Whose files hold what workers that have ended counted."""

SPARE_BYTES = 1 << 16
"""Room for twenty kinds of answers: their histograms and counters."""

FOLDER_PREFIX = "api-gateway-metrics-"

_LOCK = "master"

_BYTES = {"counter": 1 << 18, "histogram": 1 << 20, "gauge_livesum": 1 << 17, "gauge_max": 1 << 17}


def hold(folder: Path) -> int:
    """Lock a new folder for as long as this process or one that it forks lives; the descriptor. OSError where another
    process has just found it abandoned."""
    file = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


def make_again(folder: Path) -> None:
    """Make and lock a folder that somebody removed. OSError where it cannot be."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if not (folder / _LOCK).exists():
        hold(folder)


def remove_abandoned(parent: Path) -> None:
    """Remove the folders of this user's in `parent` whose master was killed, and has left no worker. A folder without
    a lock is an older gateway's, which may still run."""
    for folder in parent.glob(f"{FOLDER_PREFIX}*"):
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            file = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(file)


def take_room(folder: Path, owner: int | str) -> None:
    """Make the files of `owner`, a process's number or ENDED. OSError where there is no room; none is left then."""
    made = []
    try:
        for kind, size in _BYTES.items():
            if owner == ENDED and kind.startswith("gauge"):
                continue  # a gauge goes with its worker
            made.append(folder / f"{kind}_{owner}.db")
            file = os.open(made[-1], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(file, 0, size)
            finally:
                os.close(file)
    except OSError:
        for path in made:
            path.unlink(missing_ok=True)
        raise


def has_room(path: Path, spare: int = SPARE_BYTES) -> bool:
    """Whether there is room for so many bytes more in this file, which is then taken."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        (used,) = struct.unpack("i", os.pread(file, 4, 0) or bytes(4))
        size = os.fstat(file).st_size or SPARE_BYTES
        while size < used + spare:
            size *= 2  # as prometheus_client does
        os.posix_fallocate(file, 0, size)
    except (OSError, struct.error):
        return False
    finally:
        os.close(file)
    return True


class OwnFiles:
    """The files of this worker; none where it counts by itself. `are_missing`: it should have some."""

    def __init__(self) -> None:
        folder = os.environ.get(METRICS_FOLDER)
        self.are_missing = not folder and MASTER in os.environ
        self._paths = tuple(Path(folder) / f"{kind}_{os.getpid()}.db" for kind in _BYTES) if folder else ()

    def have_room(self) -> bool:
        """Whether more series can be counted (10 us)."""
        return all(map(has_room, self._paths))
