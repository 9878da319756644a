"""What a test in another process may do to the provider over HTTP. Only where the settings say so."""

from __future__ import annotations

from flask import Blueprint, abort, jsonify, request
from flask.typing import ResponseReturnValue

from demo.identity.endpoints import provider

admin = Blueprint("admin", __name__, url_prefix="/demo")


@admin.get("/calls")
def calls() -> ResponseReturnValue:
    return jsonify(provider().calls)


@admin.post("/rotate-keys")
def rotate_keys() -> ResponseReturnValue:
    return jsonify(kid=provider().rotate_keys())


@admin.post("/drop-key")
def drop_key() -> ResponseReturnValue:
    """Form field ``kid``; 404 for one that is not listed."""
    try:
        provider().drop_key(request.form["kid"])
    except KeyError:
        abort(404)
    return "", 204


@admin.post("/end-session")
def end_session() -> ResponseReturnValue:
    """Form field ``sid``; the client hears of it through its back channel before this answers."""
    return jsonify(ended=provider().end_session(request.form["sid"]))
