"""One sqlite file, shared by processes, that never blocks for long and never raises once it is open."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

log = logging.getLogger("gateway.store")

BLOCK_SECONDS = 0.02  # sqlite's own wait stops every greenlet of the worker
LOCK_WAIT_SECONDS = 1.0  # ours lets them run
SAY_SECONDS = 60.0

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Database:
    """The file at `path`, created with `schema` if it is missing or is not a database.

    Every statement stands for itself (autocommit): between two there may be another greenlet or process.
    """

    def __init__(self, path: Path, schema: str) -> None:
        """sqlite3.Error or OSError where it can not be opened."""
        self._path = path
        self._schema = schema
        self._said = -SAY_SECONDS
        self._connection: sqlite3.Connection | None = None
        self.open()

    def open(self) -> None:
        """Open it, again where it was open. One that is broken is thrown away: all it holds has a short life."""
        self.close()
        try:
            self._connection = self._connect()
        except sqlite3.DatabaseError as error:
            if _code(error) not in _BROKEN:
                raise
            self._discard()
            self._connection = self._connect()
        self._file = os.stat(self._path).st_ino

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def replaced(self) -> bool:
        """Whether the path no longer leads to the file that is open, or that file is broken: open it again."""
        try:
            return self._connection is None or os.stat(self._path).st_ino != self._file
        except OSError:
            return True

    def run(self, statement: str, values: Sequence[object] = ()) -> list[Any] | None:
        """The rows of one statement. None if the file cannot be used now; this is logged at most once a minute."""
        limit = time.monotonic() + LOCK_WAIT_SECONDS
        while self._connection is not None:
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                code = _code(error)
                if code not in _BUSY or time.monotonic() > limit:
                    self._fail(error, broken=code in _BROKEN)
                    return None
            time.sleep(0.005)
        return None

    def _connect(self) -> sqlite3.Connection:
        limit = time.monotonic() + LOCK_WAIT_SECONDS
        while True:
            connection = sqlite3.connect(
                self._path, timeout=BLOCK_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                connection.execute("PRAGMA journal_mode = WAL").fetchall()
                connection.execute("PRAGMA synchronous = OFF")
                connection.executescript(self._schema)
            except sqlite3.Error as error:
                connection.close()
                if _code(error) not in _BUSY or time.monotonic() > limit:
                    raise
                time.sleep(0.005)  # several workers begin at once
            else:
                return connection

    def _discard(self) -> None:
        log.warning("%s was damaged and is created again", self._path)
        for ending in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + ending).unlink(missing_ok=True)

    def _fail(self, error: sqlite3.Error, *, broken: bool) -> None:
        if broken and not self.replaced:
            self._discard()
        if broken:
            self.close()
        if time.monotonic() - self._said >= SAY_SECONDS:
            self._said = time.monotonic()
            log.error(
                "%s cannot be used (%s): used sign-ins and refreshes under way are not shared with other workers now",
                self._path,
                error,
            )


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest is sqlite's extended code
