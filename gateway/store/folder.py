"""The folder of this machine that only this user reads."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

from gateway.errors import StartFault


class StoreFault(StartFault):
    """The store can not keep anything on this machine; the message says what to do."""


def temporary_directory() -> Path:
    """What TMPDIR (TEMP, TMP) names, whether or not it can be used; else the system's."""
    for variable in ("TMPDIR", "TEMP", "TMP"):
        if named := os.environ.get(variable):
            return Path(named).absolute()
    return Path(tempfile.gettempdir())


def private_folder(deployment: str, parent: Path) -> Path:
    """`api-gateway-<uid>-<deployment>` in `parent`, made where it is not.

    StoreFault where that is not a real directory of this user's that no one else may enter: somebody may have put it
    there before us. OSError where it can not be made.
    """
    folder = parent / f"api-gateway-{os.geteuid()}-{deployment}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:  # another kind of file
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(parent)) from None
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except FileExistsError as error:
        raise StoreFault(f"{folder}: {error.strerror}: remove it, or set TMPDIR") from None
    if not stat.S_ISDIR(found.st_mode):
        raise StoreFault(f"{folder} is no directory (a link is not followed): remove it, or set TMPDIR")
    if found.st_uid != os.geteuid():
        raise StoreFault(f"{folder} belongs to user {found.st_uid}: remove it, or set TMPDIR")
    if found.st_mode & 0o077:
        raise StoreFault(f"{folder} has mode {found.st_mode & 0o777:o}, not 700: remove it, or set TMPDIR")
    return folder
