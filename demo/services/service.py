"""What the services have in common: a health check, JSON for every error, and who is calling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from flask import Flask, abort, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException


@dataclass(frozen=True)
class Caller:
    """The user as the gateway vouches for them: nobody but the gateway may reach a service."""

    id: str
    email: str | None
    roles: tuple[str, ...]


def caller() -> Caller:
    """Who is calling, from ``X-User-*`` (percent-encoded where not plain ASCII); 401 without."""
    user_id = request.headers.get("X-User-Id")
    if not user_id:
        abort(401, "X-User-Id is missing: this service is called through the gateway")
    email = request.headers.get("X-User-Email")
    roles = request.headers.get("X-User-Roles", "")
    known = tuple(unquote(role) for role in roles.split(",") if role)
    return Caller(unquote(user_id), unquote(email) if email else None, known)


def body() -> dict[str, Any]:
    """The JSON object that came; 400 or 415 for anything else."""
    value = request.get_json()
    if not isinstance(value, dict):
        abort(400, "the body must be a JSON object")
    return value


def text(fields: dict[str, Any], name: str, limit: int = 200) -> str:
    """A text field without the blanks around it; 400 when it is missing, empty, too long or no text."""
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > limit:
        abort(400, f"{name} must be a text of 1 to {limit} characters")
    return value.strip()


def create_service(name: str) -> Flask:
    """An application with ``GET /health`` and JSON errors."""
    app = Flask(name)

    @app.get("/health")
    def health() -> ResponseReturnValue:
        return jsonify(status="ok", service=name)

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> ResponseReturnValue:
        response = error.get_response()
        shape = {"statusCode": error.code, "error": error.name, "message": error.description}
        response.set_data(app.json.dumps(shape))
        response.content_type = "application/json"
        return response

    return app
