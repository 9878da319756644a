"""Allowed redirects, checked like a browser parses them (the WHATWG URL standard, with the parser Ada)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ada_url import URL

from gateway import errors

RETURN_TO_CHARACTERS = 1_024
"""The maximum of a redirect URI or return path: both are in a cookie, of which a browser may have five."""


class Redirects:
    """The redirect URIs and return paths that a login may use."""

    def __init__(self, redirect_uri: str, allowed: tuple[str, ...], frontends: tuple[str, ...]) -> None:
        """`redirect_uri` is the default, `allowed` are further exact ones; `frontends` are origins, the first of which
        is assumed for a login without a known Origin."""
        self._default = redirect_uri
        self._exact = frozenset({redirect_uri, *allowed})
        self._frontends = frontends

    def redirect_uri(self, asked: str | None) -> str:
        """The redirect URI: the default, an allowed one, or one on a frontend's origin. Else BadRequest."""
        if asked is None or asked in self._exact:
            return asked or self._default
        url = _parsed(asked)
        if url is None or url.protocol not in ("http:", "https:") or url.origin not in self._frontends:
            raise errors.BadRequest("redirectUri is not allowed")
        if "#" in asked or url.username or url.password:
            raise errors.BadRequest("redirectUri is not allowed")
        return _bounded(str(url.href))

    def return_to(self, asked: str | None, frontend: str) -> str:
        """A path on the frontend, resolved like in a browser. Raises BadRequest if it would leave the origin."""
        if asked is None:
            return "/"
        url = _parsed(asked, frontend + "/")
        plain = asked.startswith("/") and not asked.startswith(("//", "/\\")) and asked.isprintable()
        if url is None or not plain or url.origin != frontend or url.pathname.startswith("//"):
            raise errors.BadRequest("returnTo is not a path of the frontend")
        return _bounded(f"{url.pathname}{url.search}{url.hash}")

    def frontend(self, environ: Mapping[str, Any]) -> str:
        """The frontend of a request by its Origin, otherwise the first one."""
        origin = environ.get("HTTP_ORIGIN")
        return origin if origin in self._frontends else self._frontends[0]


def _bounded(text: str) -> str:
    if len(text) > RETURN_TO_CHARACTERS:  # only now: percent-encoding may have made it longer
        raise errors.BadRequest(f"longer than {RETURN_TO_CHARACTERS} characters")
    return text


def _parsed(text: str, base: str | None = None) -> Any:
    if len(text) > RETURN_TO_CHARACTERS:
        return None
    try:
        return URL(text, base) if base else URL(text)
    except (ValueError, UnicodeError):
        return None
