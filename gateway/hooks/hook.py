"""What a hook is, and how it is registered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Flask
from werkzeug.wrappers import Response


class Hook:
    """What happens to each request on its way to the view, and to each response on its way back."""

    error_handlers: Mapping[type[Exception], Callable[[Any], Any]] = {}
    """Exceptions of the way, by class, and what answers them."""

    def install(self, app: Flask) -> None:
        """Prepare for `app`, before its first request."""

    def before_request(self) -> Response | None:
        """Let the request pass, answer it, or raise a GatewayError."""

    def after_request(self, response: Response) -> Response:
        """The response, with what is to be added to it; also where a hook or the view raised."""
        return response

    def teardown_request(self, error: BaseException | None) -> None:
        """The request's context ends."""


def register(app: Flask, hooks: Iterable[Hook]) -> None:
    """Let the requests of `app` pass `hooks` in this order, and the responses in the reverse order.

    What a hook does not define is not called: a call for nothing costs each request."""
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
