"""The files of a counter table: in one folder per deployment, reset by the first process that finds them abandoned."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from pathlib import Path
from time import monotonic

import gevent

from gateway.store.boot import boot_id
from gateway.store.counter_table import STRIPES, CounterTable
from gateway.store.stripe import Stripe

HOLD_SECONDS = 1.0

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_MASTER = "master"
_STRIPES = tuple(f"counters.{number}" for number in range(STRIPES))


class CounterFiles:
    """An open table. Every process that has it open holds a shared lock on the file `master`, which names the process
    that started it (gunicorn's master). Files that no process holds and whose master has exited belong to an earlier
    run; their counters are discarded. So counters live through a reload, an upgrade (USR2) and the death of any worker,
    and end with the deployment or the boot."""

    def __init__(self, folder: Path, clock: Callable[[], float] = monotonic) -> None:
        """OSError where the table can not be kept in this folder, which is there and private."""
        self._folder = folder
        self._holder = _hold(folder)
        try:
            self.table = CounterTable(tuple(Stripe(_opened(folder / name), clock) for name in _STRIPES))
            self._inode = os.stat(folder / _STRIPES[0]).st_ino
        except OSError:
            os.close(self._holder)
            raise

    def close(self) -> None:
        self.table.close()
        os.close(self._holder)

    def look_after(self) -> bool:
        """Prevent the system from removing the files as old; False if they were removed or replaced."""
        try:
            for name in (_MASTER, *_STRIPES):
                os.utime(self._folder / name)
            return os.stat(self._folder / _STRIPES[0]).st_ino == self._inode
        except OSError:
            return False


def remove_left_behind(parent: Path) -> None:
    """Remove the folders of this user's in `parent` that hold a table which nobody uses any more."""
    for folder in parent.glob(f"api-gateway-{os.geteuid()}-*"):
        with suppress(OSError):
            file = os.open(folder / _MASTER, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                flock(file, LOCK_EX | LOCK_NB)
                identity = os.pread(file, 200, 0)
                if identity and not _is_alive(identity):  # one without is being opened just now
                    shutil.rmtree(folder)
            finally:
                os.close(file)


def _opened(path: Path) -> int:
    return os.open(path, _FLAGS, 0o600)


def _hold(folder: Path) -> int:
    """A descriptor of the file `master`, with a shared lock on it. TimeoutError if another process keeps an exclusive
    lock; FileNotFoundError where another deployment has just removed the folder, which was left behind."""
    due = monotonic() + HOLD_SECONDS
    path = folder / _MASTER
    while True:
        file = _opened(path)
        try:
            if _lock(file, LOCK_EX) and not _is_alive(os.pread(file, 200, 0)):
                _remove(folder)
            if _lock(file, LOCK_SH) and os.fstat(file).st_nlink:
                mine = _identity(os.getppid())
                os.pwrite(file, mine, 0)
                os.ftruncate(file, len(mine))
                return file
        except OSError:
            os.close(file)
            raise
        os.close(file)
        if monotonic() > due:
            raise TimeoutError("its lock is held")
        gevent.sleep(0.005)


def _lock(file: int, kind: int) -> bool:
    try:
        flock(file, kind | LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove(folder: Path) -> None:
    for name in _STRIPES:
        (folder / name).unlink(missing_ok=True)


def _is_alive(identity: bytes) -> bool:
    """Whether the process that is named so is still there."""
    number = identity.partition(b" ")[0]
    return number.isdigit() and _identity(int(number)) == identity


def _identity(process: int) -> bytes:
    """A process's number, when it began, and the boot: no other process ever has the same three."""
    try:
        began = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()[19]
        return b"%d %s %s" % (process, began, boot_id())
    except OSError:  # it is gone; or this is no Linux, where only its number tells
        try:
            os.kill(process, 0)
        except OSError:
            return b""
        return b"%d" % process
