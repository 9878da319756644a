"""Turns every exception into a response: one JSON body without internal details."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from flask import Response as FlaskResponse
from flask import jsonify
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from gateway import errors
from gateway.headers import VIA, put
from gateway.hooks.hook import Hook
from gateway.scope import current

log = logging.getLogger("gateway")

_NO_SNIFF = (("X-Content-Type-Options", "nosniff"),)


class ErrorHook(Hook):
    """Answers every error, and adds `X-Content-Type-Options` to the gateway's own responses."""

    def __init__(self) -> None:
        self.error_handlers = {
            errors.GatewayError: error_response,
            HTTPException: _http_exception,
            Exception: _bug,
        }

    def after_request(self, response: Response) -> Response:
        if type(response) is FlaskResponse:
            put(response.headers, _NO_SNIFF)  # `setdefault` raises and catches an exception: 30 us
        return response


def error_response(error: errors.GatewayError) -> FlaskResponse:
    """The response for `error`, for a view that adds to it."""
    errors.drop_traceback(error)
    return _response(error.status, error.message, error.code, error.headers)


def _response(status: int, message: str, code: errors.ErrorCode, headers: Mapping[str, str]) -> FlaskResponse:
    scope = current()
    scope.code = code
    response = jsonify(errors.body(status, message, code, scope.path, scope.trace_id))
    response.status = f"{status} {errors.reason(status)}"
    response.headers["Cache-Control"] = "no-store"
    proxy_error = errors.PROXY_ERRORS.get(code)
    if proxy_error is not None:
        response.headers["Proxy-Status"] = f"{VIA}; error={proxy_error}"
    response.headers.update(headers)
    return response


def _http_exception(error: HTTPException) -> FlaskResponse:
    """Errors that Flask raises itself: unknown route, unsupported method."""
    errors.drop_traceback(error)
    status = error.code or 500
    allowed = getattr(error, "valid_methods", None)
    headers = {"Allow": ", ".join(sorted(allowed))} if status == 405 and allowed else {}
    if status < 400:  # a redirect of the router, which would be built from Host
        status = 404
    return _response(status, errors.message_of(status), errors.code_of(status), headers)


def _bug(error: Exception) -> FlaskResponse:
    log.exception("unexpected error")
    return _response(500, errors.message_of(500), errors.code_of(500), {})
