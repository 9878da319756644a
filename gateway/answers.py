"""Errors become answers here, whatever raised them: one JSON shape, nothing internal in it."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException

from gateway import errors
from gateway.scope import current

log = logging.getLogger("gateway")


def init_app(app: Flask) -> None:
    """Answer every error of `app`, and mark its own answers so that no browser guesses their kind."""
    app.after_request(_mark_own)
    app.register_error_handler(errors.GatewayError, answer)
    app.register_error_handler(HTTPException, _answer_http_exception)
    app.register_error_handler(Exception, _answer_bug)


def _mark_own(response: Response) -> Response:
    if type(response) is Response:
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response


def _answer(status: int, message: str, headers: Mapping[str, str]) -> Response:
    scope = current()
    response = jsonify(errors.body(status, message, scope.path, scope.trace_id))
    response.status = f"{status} {errors.reason(status)}"
    response.headers["Cache-Control"] = "no-store"
    response.headers.update(headers)
    return response


def answer(error: errors.GatewayError) -> Response:
    """The answer that `error` is, for a view that has to add to it."""
    errors.drop_traceback(error)
    return _answer(error.status, error.message, error.headers)


def _answer_http_exception(error: HTTPException) -> Response:
    """What Flask refuses itself: no such route, no such method."""
    errors.drop_traceback(error)
    status = error.code or 500
    allowed = getattr(error, "valid_methods", None)
    headers = {"Allow": ", ".join(sorted(allowed))} if status == 405 and allowed else {}
    if status < 400:  # a redirect of the router's: nothing is built from Host
        status = 404
    return _answer(status, errors.message(status), headers)


def _answer_bug(error: Exception) -> Response:
    log.exception("unexpected error")
    return _answer(500, errors.message(500), {})
