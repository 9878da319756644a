"""The base class of hooks, and their registration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Flask
from werkzeug.wrappers import Response

from gateway.marks import RouteMarks


class Hook:
    """Processes each request before the view, and each response after it."""

    error_handlers: Mapping[type[Exception], Callable[[Any], Any]] = {}
    """The handlers of exceptions, by class."""

    def install(self, app: Flask) -> None:
        """Prepare for `app`, before its first request."""

    def applies_to(self, marks: RouteMarks) -> bool:
        """Whether it is called for a view with these marks; asked once for each view."""
        return True

    def before_request(self) -> Response | None:
        """Let the request pass, answer it, or raise a GatewayError."""

    def after_request(self, response: Response) -> Response:
        """The response with additions; also called if a hook or the view raised an exception."""
        return response

    def teardown_request(self, error: BaseException | None) -> None:
        """Called when the request's context ends."""


def register(app: Flask, hooks: Iterable[Hook]) -> None:
    """Register `hooks` at `app`: requests pass them in this order, responses in the reverse order.

    Methods that a hook does not define are not called: each empty call would cost every request."""
    for hook in hooks:
        hook.install(app)
        defined = {name for kind in type(hook).__mro__ if kind not in (Hook, object) for name in vars(kind)}
        if "before_request" in defined:
            app.before_request(hook.before_request)
        if "after_request" in defined:
            app.after_request(hook.after_request)
        if "teardown_request" in defined:
            app.teardown_request(hook.teardown_request)
        for kind, handler in hook.error_handlers.items():
            app.register_error_handler(kind, handler)
