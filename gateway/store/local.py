"""What the processes of one machine know together."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time
from typing import Any

from gateway.store.boot import boot_number
from gateway.store.database import Database, log
from gateway.store.folder import private_folder
from gateway.store.generation import Generation

MAX_REVOCATIONS = 100_000
SWEPT_AT_ONCE = 1000

# What is kept has a monotonic life, which ends with the boot. Numbers of `ended` never come again, also not in a file
# that replaces another: they begin with the time.
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
DELETE FROM kept WHERE (SELECT user_version FROM pragma_user_version) <> %(boot)d;
PRAGMA user_version = %(boot)d;
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


class FileUnusable(Exception):
    """The file can not be written to now; the log says why."""


@dataclass(frozen=True, slots=True)
class _Files:
    """The open files in one folder."""

    folder: Path
    database: Database
    generation: Generation

    @classmethod
    def opened(cls, folder: Path) -> _Files:
        """OSError or sqlite3.Error where they can not be written to."""
        database = Database(folder / "store.db", _SCHEMA % {"boot": boot_number()})
        try:
            return cls(folder, database, Generation(folder / "generation"))
        except OSError:
            database.close()
            raise

    def close(self) -> None:
        self.generation.close()
        self.database.close()


class LocalStore:
    """Names and sealed values in a file of this machine, in the first of several places that takes it.

    While the file fails, or no place accepts one, every name is treated as absent: `add` says True, `get` None
    (fail-open: Keycloak still refuses a used code and a used refresh token). Lives are monotonic; when a session ended,
    and until when that is remembered, is wall time: it is compared with tokens, outlives a boot, and is sent to other
    machines."""

    def __init__(self, name: str, places: tuple[Path, ...], most_ends: int = MAX_REVOCATIONS) -> None:
        """`name`: the folder's, see `private_folder`; `most_ends`: how many ended sessions are kept. Touches
        nothing."""
        self._name = name
        self._places = places
        self._most_ends = most_ends
        self._files: _Files | None = None
        self._rank = 0
        self.ended_count = memoryview(bytes(8)).cast("Q")  # [0] is another number once more sessions have ended

    def open(self) -> None:
        """StoreFault where a folder that is there can not be trusted. A line where the first place is not used."""
        self.close()
        self.look_after_files()

    def close(self) -> None:
        self._use(0, None)

    @property
    def all_see_it(self) -> bool:
        """Whether every process sees what is written here; False if some may use another place."""
        return self._files is not None and self._rank == 0

    def look_after_files(self) -> bool:
        """Keep the files from being cleaned away for their age; move to a better place where there is one. Whether the
        files are others now. StoreFault where a folder that is there can not be trusted."""
        faults: list[str] = []
        for rank, place in enumerate(self._places):
            files = self._files
            if files is not None and rank == self._rank and not files.database.replaced:
                for file in (files.folder, files.folder / "store.db", files.folder / "generation"):
                    os.utime(file)
                return False
            try:
                found = _Files.opened(private_folder(self._name, place))
            except (OSError, sqlite3.Error) as fault:
                faults.append(f"{place} ({getattr(fault, 'strerror', None) or fault})")
            else:
                self._use(rank, found)
                if faults:
                    log.warning("used sign-ins and ended sessions are kept in %s, not in %s", place, ", ".join(faults))
                return True
        if self._rank != len(self._places):
            self._use(len(self._places), None)
            log.error("used sign-ins are not shared by the workers, they cannot be kept in %s", ", ".join(faults))
        return False

    def _use(self, rank: int, files: _Files | None) -> None:
        before, self._files, self._rank = self._files, files, rank
        self.ended_count = memoryview(bytes(8)).cast("Q") if files is None else files.generation.count
        if before is not None:
            before.close()

    def add(self, name: bytes, value: bytes, life: float) -> bool:
        """Keep it for `life` seconds unless it is there; whether it was not."""
        now = monotonic()
        rows = self._run(_ADD, name, value, now + life, now)
        return rows is None or bool(rows)

    def put(self, name: bytes, value: bytes, life: float) -> None:
        """Keep it for `life` seconds, whatever was there."""
        self._run("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", name, value, monotonic() + life)

    def get(self, name: bytes) -> bytes | None:
        rows = self._run("SELECT value FROM kept WHERE name = ? AND expires > ?", name, monotonic())
        return bytes(rows[0][0]) if rows else None

    def remove(self, name: bytes, value: bytes) -> None:
        """Remove it where this is its value."""
        self._run("DELETE FROM kept WHERE name = ? AND value = ?", name, value)

    def end(self, name: bytes, value: bytes, at: float, until: float, *, shared: bool) -> int | None:
        """Keep that a session ended, for every process; returns its number, or None if an equal or later end is already
        recorded.

        `shared`: whether other machines know. Raises FileUnusable.
        """
        rows = self._run(_END, name, value, at, until, int(shared), name, at, until, time())
        if rows is None:
            raise FileUnusable
        if not rows:
            return None
        if self._files is not None:
            self.ended_count[0] = rows[0][0]  # after the row: whoever sees the number finds it
        return int(rows[0][0])

    def ended_after(self, number: int) -> list[tuple[int, bytes, bytes]]:
        """(number, name, value) of the sessions that ended after that one."""
        return self._run("SELECT number, name, value FROM ended WHERE number > ? ORDER BY number", number) or []

    def ended_alone(self) -> list[tuple[int, bytes, bytes, float]]:
        """(number, name, value, until) of the sessions of whose end no other machine knows, some at a time."""
        found = "SELECT number, name, value, until FROM ended WHERE NOT shared AND until > ? ORDER BY number LIMIT ?"
        return self._run(found, time(), SWEPT_AT_ONCE) or []

    def mark_shared(self, number: int) -> None:
        """The other machines know of this one."""
        self._run("UPDATE ended SET shared = 1 WHERE number = ?", number)

    def sweep(self) -> bool:
        """Remove some of what has expired; whether there may be more."""
        kept = self._run(_SWEEP, monotonic(), SWEPT_AT_ONCE) or []
        ended = self._run(_SWEEP_ENDED, time(), self._most_ends, SWEPT_AT_ONCE) or []
        return max(len(kept), len(ended)) == SWEPT_AT_ONCE

    def _run(self, statement: str, *values: object) -> list[Any] | None:
        return None if self._files is None else self._files.database.run(statement, values)
