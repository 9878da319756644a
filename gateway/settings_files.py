"""The files that hold settings: a worker reads them as the check before it read them.

gunicorn's master keeps what its check found in `.env` and the secret files, and workers inherit it by fork. So a worker
that replaces another one has the same settings, whatever was saved meanwhile. It is kept in memory only: the check of a
reload, and a master that another one has begun (USR2), read the files anew.

The master imports this module before gevent's patches: it must not import ssl or requests, even indirectly.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_kept: dict[str, str | None] = {}


def keep(contents: Mapping[str, str | None]) -> None:
    """Replace what `as_checked` gives: `contents` of a SettingsRead."""
    _kept.clear()
    _kept.update(contents)


def as_checked(path: Path) -> bytes:
    """The file's content as it was kept, otherwise as it is now. OSError where it cannot be read."""
    if str(path) not in _kept:
        return path.read_bytes()
    content = _kept[str(path)]
    if content is None:
        raise FileNotFoundError(f"there was no {path} when the settings were checked")
    return content.encode("latin-1")


def pem_of(path: Path) -> str:
    """The PEM text of such a file, without the characters that only its comments may have. OSError as above."""
    return as_checked(path).decode("ascii", "ignore")


class SettingsRead:
    """Reads the files as they are now. `contents`: path → each byte as the character of its number (Latin-1), which
    JSON can hold; None where there is no file."""

    def __init__(self) -> None:
        self.contents: dict[str, str | None] = {}

    def read(self, path: Path) -> bytes:
        """The file's content. OSError where it cannot be read."""
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            self.contents[str(path)] = None
            raise
        self.contents[str(path)] = content.decode("latin-1")
        return content
