"""The interview service: interviews and their questions in an SQLite file; everybody sees their own."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, cast

from flask import Blueprint, Flask, Response, abort, current_app, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from demo.services.changes import Changes
from demo.services.database import Database, database, now
from demo.services.service import body, caller, create_service, text

STATUSES = ("scheduled", "in_progress", "completed", "cancelled")
MAX_PAGE = 100
SCHEMA = """
    CREATE TABLE IF NOT EXISTS interviews (
        id TEXT PRIMARY KEY, owner TEXT NOT NULL, title TEXT NOT NULL, notes TEXT NOT NULL,
        status TEXT NOT NULL, createdAt TEXT NOT NULL, updatedAt TEXT NOT NULL);
    CREATE INDEX IF NOT EXISTS interviews_of ON interviews (owner, createdAt);
    CREATE TABLE IF NOT EXISTS questions (
        id TEXT PRIMARY KEY, interview TEXT NOT NULL REFERENCES interviews (id) ON DELETE CASCADE,
        text TEXT NOT NULL, createdAt TEXT NOT NULL);
"""

interviews = Blueprint("interviews", __name__, url_prefix="/interviews")


def create_interviews(file: Path, beat: float = 15.0) -> Flask:
    """CRUD on ``/interviews`` and ``/interviews/<id>/questions``, kept in ``file``, and ``/interviews/events``.

    ``beat``: seconds between the comments of a quiet event stream.
    """
    app = create_service("interview-service")
    app.extensions["changes"] = Changes(beat)
    Database(file, SCHEMA).serve(app)
    app.register_blueprint(interviews)
    return app


@interviews.get("")
def index() -> ResponseReturnValue:
    """Newest first; ``?status=``, ``?limit=`` (up to 100), ``?offset=``."""
    where, values = "owner = ?", [caller().id]
    if status := request.args.get("status"):
        where, values = f"{where} AND status = ?", [*values, status]
    limit = min(max(request.args.get("limit", 20, int), 1), MAX_PAGE)
    offset = max(request.args.get("offset", 0, int), 0)
    rows = database().execute(
        f"SELECT * FROM interviews WHERE {where} ORDER BY createdAt DESC, rowid DESC LIMIT ? OFFSET ?",
        (*values, limit, offset),
    )
    items = [_shown(dict(row)) for row in rows]
    (total,) = database().execute(f"SELECT count(*) FROM interviews WHERE {where}", values).fetchone()
    return jsonify(items=items, total=total)


@interviews.post("")
def create() -> ResponseReturnValue:
    fields, id, at = _checked(body()), str(uuid.uuid4()), now()
    with database() as transaction:
        transaction.execute(
            "INSERT INTO interviews VALUES (?, ?, ?, ?, ?, ?, ?)",
            (id, caller().id, fields["title"], fields["notes"], fields["status"], at, at),
        )
    _tell("created", _found(id))
    return jsonify(_found(id)), 201, {"Location": url_for(".read", id=id)}


@interviews.get("/events")
def events() -> ResponseReturnValue:
    """The caller's changes as they happen, as ``text/event-stream``; from ``Last-Event-ID`` on."""
    last = request.headers.get("Last-Event-ID", "")
    stream = _changes().stream(caller().id, int(last) if last.isdigit() else None)
    return Response(stream, mimetype="text/event-stream", headers={"Cache-Control": "no-store"})


@interviews.get("/<id>")
def read(id: str) -> ResponseReturnValue:
    return jsonify(_found(id))


@interviews.put("/<id>")
def replace(id: str) -> ResponseReturnValue:
    _found(id)
    return _stored(id, body())


@interviews.patch("/<id>")
def change(id: str) -> ResponseReturnValue:
    return _stored(id, {**_found(id), **body()})


@interviews.delete("/<id>")
def delete(id: str) -> ResponseReturnValue:
    found = _found(id)
    with database() as transaction:
        transaction.execute("DELETE FROM interviews WHERE id = ?", (id,))
    _tell("deleted", found)
    return "", 204


@interviews.get("/<id>/questions")
def questions(id: str) -> ResponseReturnValue:
    _found(id)
    asked = "SELECT id, text, createdAt FROM questions WHERE interview = ? ORDER BY rowid"
    return jsonify(items=[dict(row) for row in database().execute(asked, (id,))])


@interviews.post("/<id>/questions")
def ask(id: str) -> ResponseReturnValue:
    _found(id)
    question = {"id": str(uuid.uuid4()), "text": text(body(), "text", 1000), "createdAt": now()}
    with database() as transaction:
        transaction.execute(
            "INSERT INTO questions VALUES (?, ?, ?, ?)",
            (question["id"], id, question["text"], question["createdAt"]),
        )
    return jsonify(question), 201


@interviews.delete("/<id>/questions/<question>")
def withdraw(id: str, question: str) -> ResponseReturnValue:
    _found(id)
    with database() as transaction:
        gone = transaction.execute("DELETE FROM questions WHERE id = ? AND interview = ?", (question, id))
    if not gone.rowcount:
        abort(404, "no such question")
    return "", 204


def _found(id: str) -> dict[str, Any]:
    """The caller's interview; somebody else's is as absent as one that never was."""
    owned = "SELECT * FROM interviews WHERE id = ? AND owner = ?"
    row = database().execute(owned, (id, caller().id)).fetchone()
    if row is None:
        abort(404, "no such interview")
    return _shown(dict(row))


def _stored(id: str, fields: dict[str, Any]) -> ResponseReturnValue:
    checked = _checked(fields)
    with database() as transaction:
        transaction.execute(
            "UPDATE interviews SET title = ?, notes = ?, status = ?, updatedAt = ? WHERE id = ?",
            (checked["title"], checked["notes"], checked["status"], now(), id),
        )
    _tell("changed", _found(id))
    return jsonify(_found(id))


def _changes() -> Changes:
    return cast(Changes, current_app.extensions["changes"])


def _tell(what: str, interview: dict[str, Any]) -> None:
    data = {name: interview[name] for name in ("id", "title", "status")}
    _changes().add(caller().id, f"interview.{what}", data)


def _checked(fields: dict[str, Any]) -> dict[str, str]:
    """Title, notes and status as they may be stored; 400 otherwise."""
    status = fields.get("status", "scheduled")
    if status not in STATUSES:
        abort(400, f"status must be one of {', '.join(STATUSES)}")
    notes = text(fields, "notes", 5000) if fields.get("notes") else ""
    return {"title": text(fields, "title"), "notes": notes, "status": status}


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "owner"}
