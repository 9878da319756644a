"""Who is asking: every endpoint needs a Principal unless its view says `@public`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import cache
from time import perf_counter
from typing import Any, TypeVar

from flask import Flask

from gateway import errors
from gateway.instruments import TokenMetrics
from gateway.scope import Principal, current
from gateway.sessions import SessionCookies, SessionRevocations, sent_cookies
from gateway.tokens import InvalidToken, Verifier

log = logging.getLogger("gateway.identity")

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

View = TypeVar("View", bound=Callable[..., Any])


def public(view: View) -> View:
    """Mark a view as open to everybody; a view without the mark is closed."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


def identified(view: View) -> View:
    """Mark a public view as one that is told who asks, if that can be found out."""
    view.is_identified = True  # type: ignore[attr-defined]
    return view


def _asks_who(view: Callable[..., Any]) -> bool:
    return not getattr(view, "is_public", False) or getattr(view, "is_identified", False)


def require(role: str) -> Callable[[], None]:
    """A before-request guard for a blueprint, or a call in a view: Forbidden without the role."""

    def guard() -> None:
        if role not in current().require_principal().roles:
            raise errors.Forbidden()

    return guard


def bearer(environ: Mapping[str, Any]) -> str | None:
    """The token of the Authorization header (RFC 6750 section 2.1), None without the header.

    Raises Unauthorized for another scheme, BadRequest for two headers or two tokens (gunicorn joins them with a comma).
    """
    header: str | None = environ.get("HTTP_AUTHORIZATION")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise errors.Unauthorized()
    token = token.strip(" ")
    if "," in token:
        raise errors.BadRequest()
    return token


class Identity:
    """The hook that finds the Principal of a request: by its bearer token, else by its session cookie."""

    def __init__(
        self,
        verifier: Verifier,
        sessions: SessionCookies,
        revocations: SessionRevocations,
        frontends: tuple[str, ...],
        metrics: TokenMetrics,
    ) -> None:
        """`frontends`: the origins whose pages may write with a session cookie."""
        self._verifier = verifier
        self._sessions = sessions
        self._revocations = revocations
        self._frontends = frozenset(frontends)
        self._metrics = metrics

    def load_in(self, app: Flask) -> None:
        """Find out who asks, before a request is counted: refuses nobody."""

        asks = cache(lambda endpoint: endpoint is not None and _asks_who(app.view_functions[endpoint]))

        @app.before_request
        def identify() -> None:
            scope = current()
            if asks(scope.endpoint):
                try:
                    scope.principal = self.principal_of(scope.environ)
                except errors.GatewayError as refusal:
                    errors.drop_traceback(refusal)
                    scope.refusal = refusal

    def require_in(self, app: Flask) -> None:
        """Refuse who may not pass, after a request was counted."""

        # No such route or method: that is the answer, for everybody.
        closed = cache(
            lambda endpoint: endpoint is not None and not getattr(app.view_functions[endpoint], "is_public", False)
        )

        @app.before_request
        def let_in() -> None:
            scope = current()
            if scope.principal is None and closed(scope.endpoint):
                scope.require_principal()

    def principal_of(self, environ: Mapping[str, Any]) -> Principal:
        """The Principal of the request's credentials.

        Raises Unauthorized, ExpiredToken, BadRequest, ServiceUnavailable; Forbidden for a write of a foreign page.
        """
        token = bearer(environ)
        began = perf_counter()
        try:
            if token is None and "HTTP_COOKIE" in environ:
                token = self._token_of_cookie(environ)
            if token is None:
                raise errors.Unauthorized()
            principal = self._verifier.verify(token)
            if self._revocations.includes(principal):
                raise InvalidToken("ended")
        except InvalidToken as refusal:
            self._metrics.failed(refusal.reason)
            level = logging.WARNING if refusal.explanation else logging.DEBUG
            told = refusal.explanation or refusal.reason
            log.log(level, "Auth: token refused: %s", told, extra={"reason": refusal.reason})
            raise
        finally:
            if token is not None:
                self._metrics.took(perf_counter() - began)
        return principal

    def require_own_page(self, environ: Mapping[str, Any]) -> None:
        """Forbidden for a write (RFC 9110 section 9.2.1) that no page of the frontend makes.

        Uploads live in the gateway's own origin, so that one does not count; without an Origin only the browser's word
        that page and gateway are of one origin does.
        """
        if environ["REQUEST_METHOD"] in _SAFE:
            return
        origin = environ.get("HTTP_ORIGIN")
        if origin is None:
            if environ.get("HTTP_SEC_FETCH_SITE") != "same-origin":
                raise errors.Forbidden()
        elif origin not in self._frontends:
            raise errors.Forbidden()

    def _token_of_cookie(self, environ: Mapping[str, Any]) -> str | None:
        found = self._sessions.access(sent_cookies(environ))
        if found is None:
            return None
        self.require_own_page(environ)
        if self._revocations.includes_own(found[0]):
            raise InvalidToken("ended")
        return found[1]
