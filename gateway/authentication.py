"""Authentication: the Principal of a request, by its bearer token or session cookie, and the origin of its page."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from time import perf_counter
from typing import Any, NoReturn

from gateway import errors, http_methods
from gateway.instruments import TokenMetrics
from gateway.scope import Principal
from gateway.sessions import SessionCookies, SessionRevocations, sent_cookies
from gateway.tokens import EndedSession, ExpiredToken, InvalidToken, Verifier

log = logging.getLogger("gateway.authentication")

SHOWN_CHARACTERS = 200
"""The maximum of an Origin in a log line, since a client can send any text."""

_ORIGIN = re.compile(r"([a-z][a-z0-9+.\-]*://)(?:[^/?#]*@)?([\w.\-:\[\]]*)", re.ASCII | re.IGNORECASE)


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


def _shown(origin: str) -> str:
    """An Origin for the log: what is neither scheme nor host of it (RFC 6454 section 7) may be a secret."""
    found = _ORIGIN.match(origin)
    if found is None:
        return origin if origin in ("", "null") else "…"
    shown = (found[1] + found[2])[:SHOWN_CHARACTERS]
    return shown if shown == origin else f"{shown}…"


class Authenticator:
    """Finds the Principal of a request: by its bearer token, else by its session cookie."""

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

    def authenticate(self, environ: Mapping[str, Any]) -> Principal:
        """The Principal of the request's credentials.

        Raises Unauthorized, ExpiredToken, BadRequest, ServiceUnavailable; Forbidden for a write from another origin.
        """
        token = bearer(environ)
        try:
            return self._verified(token) if token is not None else self._of_cookies(environ)
        except InvalidToken as refusal:
            self._metrics.failed(refusal.reason)
            level = logging.WARNING if refusal.explanation else logging.DEBUG
            why = refusal.explanation or refusal.reason
            log.log(level, "Auth: token refused: %s", why, extra={"reason": refusal.reason})
            raise

    def require_own_page(self, environ: Mapping[str, Any]) -> None:
        """Raises Forbidden for a write (RFC 9110 section 9.2.1) that does not come from a page of the frontend.

        The gateway's own origin is not accepted, because it serves uploads. Without an Origin, only
        `Sec-Fetch-Site: same-origin` is accepted.
        """
        if environ["REQUEST_METHOD"] in http_methods.SAFE:
            return
        origin = environ.get("HTTP_ORIGIN")
        if origin is None:
            if environ.get("HTTP_SEC_FETCH_SITE") != "same-origin":
                self._refuse_origin("no Origin, and Sec-Fetch-Site is not same-origin")
        elif origin not in self._frontends:
            self._refuse_origin(f"Origin {_shown(origin)!r} is no FRONTEND_URL")

    @staticmethod
    def _refuse_origin(why: str) -> NoReturn:
        log.warning("Auth: write refused: %s", why, extra={"code": errors.ErrorCode.FOREIGN_ORIGIN})
        raise errors.Forbidden(errors.ErrorCode.FOREIGN_ORIGIN)

    def _verified(self, token: str) -> Principal:
        began = perf_counter()
        try:
            principal = self._verifier.verify(token)
            if self._revocations.includes(principal):
                raise EndedSession
        finally:
            self._metrics.took(perf_counter() - began)
        return principal

    def _of_cookies(self, environ: Mapping[str, Any]) -> Principal:
        """By the first cookie of an active session. If there is none, an expired token is reported first, because a
        refresh helps."""
        refused: InvalidToken | None = None
        sent = sent_cookies(environ) if "HTTP_COOKIE" in environ else {}
        for own_id, token in self._sessions.accesses(sent):
            if refused is None:
                self.require_own_page(environ)
            try:
                if self._revocations.includes_own(own_id):
                    raise EndedSession
                return self._verified(token)
            except InvalidToken as refusal:
                refused = refusal if refused is None or isinstance(refusal, ExpiredToken) else refused
        raise refused or errors.Unauthorized()
