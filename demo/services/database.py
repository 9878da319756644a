"""An SQLite file behind a Flask application: a connection for each request, SQLite's locks do the rest."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from flask import Flask, current_app, g


class Database:
    """The file, made with ``schema`` where it is not there yet."""

    def __init__(self, file: Path, schema: str) -> None:
        self._file = file
        with closing(self.connect()) as connection:
            connection.executescript(f"PRAGMA journal_mode = WAL; {schema}")

    def connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._file, timeout=5)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def serve(self, app: Flask) -> None:
        """Make :func:`database` work in the application's requests."""
        app.extensions["database"] = self
        app.teardown_appcontext(_close)


def database() -> sqlite3.Connection:
    """This request's connection."""
    if "database" not in g:
        g.database = cast(Database, current_app.extensions["database"]).connect()
    return cast(sqlite3.Connection, g.database)


def _close(error: BaseException | None) -> None:
    if "database" in g:
        g.pop("database").close()


def now() -> str:
    """UTC as ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
