"""A service's answer as Flask has it."""

from __future__ import annotations

from typing import Any

from flask import Response
from werkzeug.wsgi import ClosingIterator


class ForwardedResponse(Response):
    """A service's answer: its headers are final, its body is passed as it comes."""

    default_mimetype = None

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """As werkzeug's; where the server does not take the head, the call to the service ends all the same."""
        try:
            return super().__call__(environ, start_response)
        except BaseException:
            self.close()
            raise

    def get_wsgi_headers(self, environ: Any) -> Any:
        """The headers as they are (werkzeug would work out a Location and a length: 20 us)."""
        return self.headers

    def get_app_iter(self, environ: Any) -> Any:
        """The pieces of the body, unencoded."""
        return ClosingIterator(self.response, self.close)  # type: ignore[arg-type]
