"""Signing in and out, for browsers (cookies) and for API clients (tokens in bodies)."""

from blueprints.auth import login, logout, session  # noqa: F401  # their views are the blueprint's
from blueprints.auth.routes import blueprint

__all__ = ["blueprint"]
