"""The media service: uploads of any size in constant memory, downloads with ranges, a folder per user."""

from __future__ import annotations

import hashlib
import mimetypes
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from flask import Blueprint, Flask, abort, current_app, jsonify, request, send_file, url_for
from flask.typing import ResponseReturnValue

from demo.services.service import caller, create_service

# One segment that neither hides, nor climbs, nor means something to a file system.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
LISTING = "mine"
PIECE = 64 * 1024

media = Blueprint("media", __name__, url_prefix="/media")


def create_media(folder: Path) -> Flask:
    """Files under ``/media/<name>`` and a list of them at ``/media/mine``, kept in ``folder``."""
    app = create_service("media-service")
    app.extensions["folder"] = folder
    app.register_blueprint(media)
    return app


@media.get(f"/{LISTING}")
def listing() -> ResponseReturnValue:
    files = (path for path in sorted(_home().iterdir()) if NAME.fullmatch(path.name))
    return jsonify(items=[_shown(path) for path in files])


@media.route("/<name>", methods=["PUT", "POST"])
def upload(name: str) -> ResponseReturnValue:
    """Store the body as it streams in; a broken upload leaves what was there before."""
    target = _place(name)
    new = not target.exists()
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".upload-", delete=False) as part:
        try:
            while piece := request.stream.read(PIECE):
                part.write(piece)
        except BaseException:
            Path(part.name).unlink()
            raise
    Path(part.name).replace(target)
    return jsonify(_shown(target)), 201 if new else 200, {"Location": url_for(".download", name=name)}


@media.get("/<name>")
def download(name: str) -> ResponseReturnValue:
    """The file, whole, in ranges, or 304 (RFC 9110, 13 and 14); HEAD comes with it."""
    path = _place(name)
    if not path.is_file():
        abort(404, "no such file")
    return send_file(path, _type(path), conditional=True, download_name=name)


@media.delete("/<name>")
def delete(name: str) -> ResponseReturnValue:
    try:
        _place(name).unlink()
    except FileNotFoundError:
        abort(404, "no such file")
    return "", 204


def _place(name: str) -> Path:
    """Where the caller's file of this name is, or would be; 400 for a name that cannot be one."""
    if not NAME.fullmatch(name) or name == LISTING:
        abort(400, "a name is 1 to 128 letters, digits, dots, dashes, underscores, and begins with no sign")
    return _home() / name


def _home() -> Path:
    """The caller's folder: an id is not always fit to be a file name, its hash is."""
    root: Path = current_app.extensions["folder"]
    home = root / hashlib.sha256(caller().id.encode()).hexdigest()[:32]
    home.mkdir(parents=True, exist_ok=True)
    return home


def _shown(path: Path) -> dict[str, object]:
    stat = path.stat()
    stored = datetime.fromtimestamp(stat.st_mtime, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"name": path.name, "size": stat.st_size, "type": _type(path), "storedAt": stored}


def _type(path: Path) -> str:
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"
