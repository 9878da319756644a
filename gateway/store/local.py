"""What the processes of one machine know together."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from gateway.store.database import Database, log
from gateway.store.folder import StoreFault, private_folder
from gateway.store.generation import Generation

MAX_REVOCATIONS = 100_000
SWEPT_AT_ONCE = 1000

# Numbers of `ended` never come again, also not in a file that replaces another: they begin with the time.
_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS kept (name BLOB PRIMARY KEY, value BLOB NOT NULL, expires REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS kept_expires ON kept (expires);
CREATE TABLE IF NOT EXISTS ended (number INTEGER PRIMARY KEY AUTOINCREMENT, name BLOB NOT NULL UNIQUE,
  value BLOB NOT NULL, at REAL NOT NULL, until REAL NOT NULL, shared INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS ended_until ON ended (until);
CREATE INDEX IF NOT EXISTS ended_alone ON ended (number) WHERE NOT shared;
INSERT INTO sqlite_sequence (name, seq) SELECT 'ended', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
  WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'ended');
COMMIT;
"""
_ADD = """INSERT INTO kept VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE
  SET value = excluded.value, expires = excluded.expires WHERE kept.expires <= ? RETURNING 1"""
_END = """INSERT OR REPLACE INTO ended (name, value, at, until, shared) SELECT ?, ?, ?, ?, ?
  WHERE NOT EXISTS (SELECT 1 FROM ended WHERE name = ? AND (at, until) >= (?, ?) AND until > ?)
  RETURNING number"""
_SWEEP = "DELETE FROM kept WHERE name IN (SELECT name FROM kept WHERE expires <= ? LIMIT ?) RETURNING 1"
_SWEEP_ENDED = """DELETE FROM ended WHERE number IN (SELECT number FROM ended WHERE until <= ?
  OR number <= (SELECT number FROM ended ORDER BY number DESC LIMIT 1 OFFSET ?) LIMIT ?) RETURNING 1"""


class LocalStore:
    """Names and sealed values in a file of this machine. While the file fails everything is as absent: `add` says
    True, `get` None (fail-open: Keycloak still refuses a used code and a used refresh token)."""

    def __init__(self, deployment: str, parent: Path | None) -> None:
        """Touches nothing; see `private_folder` for where the file lies."""
        self._deployment = deployment
        self._parent = parent
        self._database: Database | None = None
        self._generation: Generation | None = None
        self.ended_count = memoryview(bytes(8)).cast("Q")  # [0] is another number once more sessions have ended

    def open(self) -> None:
        """StoreFault where it can not be opened."""
        self.close()
        folder = private_folder(self._deployment, self._parent)
        try:
            self._database = Database(folder / "store.db", _SCHEMA)
            self._generation = Generation(folder / "generation")
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise StoreFault(f"{folder}: {error}; mend that, or set TMPDIR") from None
        self.ended_count = self._generation.count
        self._files = (folder, folder / "store.db", folder / "generation")

    def close(self) -> None:
        self.ended_count = memoryview(bytes(8)).cast("Q")
        if self._database is not None:
            self._database.close()
            self._database = None
        if self._generation is not None:
            self._generation.close()
            self._generation = None

    def add(self, name: bytes, value: bytes, life: float) -> bool:
        """Keep it for `life` seconds unless it is there; whether it was not."""
        now = time.time()
        rows = self._run(_ADD, name, value, now + life, now)
        return rows is None or bool(rows)

    def put(self, name: bytes, value: bytes, life: float) -> None:
        """Keep it for `life` seconds, whatever was there."""
        self._run("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", name, value, time.time() + life)

    def get(self, name: bytes) -> bytes | None:
        rows = self._run("SELECT value FROM kept WHERE name = ? AND expires > ?", name, time.time())
        return bytes(rows[0][0]) if rows else None

    def remove(self, name: bytes, value: bytes) -> None:
        """Remove it where this is its value."""
        self._run("DELETE FROM kept WHERE name = ? AND value = ?", name, value)

    def end(self, name: bytes, value: bytes, at: float, until: float, *, shared: bool) -> int | None:
        """Keep that a session ended, and tell every process; its number, None where as late an end is known.

        `shared`: whether other machines know.
        """
        rows = self._run(_END, name, value, at, until, int(shared), name, at, until, time.time())
        if not rows:
            return None
        if self._generation is not None:
            self.ended_count[0] = rows[0][0]  # after the row: whoever sees the number finds it
        return int(rows[0][0])

    def ended_after(self, number: int) -> list[tuple[int, bytes, bytes]]:
        """(number, name, value) of the sessions that ended after that one."""
        return self._run("SELECT number, name, value FROM ended WHERE number > ? ORDER BY number", number) or []

    def ended_alone(self) -> list[tuple[int, bytes, bytes, float]]:
        """(number, name, value, until) of the sessions of whose end no other machine knows, some at a time."""
        found = "SELECT number, name, value, until FROM ended WHERE NOT shared AND until > ? ORDER BY number LIMIT ?"
        return self._run(found, time.time(), SWEPT_AT_ONCE) or []

    def mark_shared(self, number: int) -> None:
        """The other machines know of this one."""
        self._run("UPDATE ended SET shared = 1 WHERE number = ?", number)

    def sweep(self) -> bool:
        """Remove some of what has lapsed; whether there may be more."""
        kept = self._run(_SWEEP, time.time(), SWEPT_AT_ONCE) or []
        ended = self._run(_SWEEP_ENDED, time.time(), MAX_REVOCATIONS, SWEPT_AT_ONCE) or []
        return max(len(kept), len(ended)) == SWEPT_AT_ONCE

    def look_after_files(self) -> bool:
        """Keep the files from being cleaned away for their age; whether they were all the same, and are new now."""
        if self._database is not None and not self._database.replaced:
            for file in self._files:
                os.utime(file)
            return False
        self.open()
        return True

    def _run(self, statement: str, *values: object) -> list[Any] | None:
        return None if self._database is None else self._database.run(statement, values)


__all__ = ["MAX_REVOCATIONS", "LocalStore", "log"]
