"""The gateway's cookies: names, attributes, and splitting into pieces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import Any
from urllib.parse import urlsplit

from werkzeug.wrappers import Response

from gateway.headers import ACCESS_COOKIE, LOGIN_COOKIE, SESSION_COOKIE

PIECE_CHARACTERS = 3_900
PIECES = 8

NAMESAKES = 8
"""The number of cookies of one name that are read: those of a sibling domain or an older path may come first."""

CANDIDATES = 32
"""The maximum number of values that are joined from pieces."""

_COUNTS = frozenset(str(number) for number in range(1, PIECES + 1))
_LOCALHOST = frozenset({"localhost", "127.0.0.1", "::1"})

SentCookies = Mapping[str, list[str]]
"""The cookies of a request: name to values, in the order in which they were sent."""


def sent_cookies(environ: Mapping[str, Any]) -> SentCookies:
    """The cookies of a request, split only at semicolons (RFC 6265bis section 5.8.3), so that quotes or bytes of other
    cookies cannot hide the gateway's."""
    cookies: dict[str, list[str]] = {}
    for pair in environ.get("HTTP_COOKIE", "").split(";"):
        # Not Python's white space: a browser takes no-break space and `__Host-…` for a name without a prefix.
        name, _, value = pair.strip(" \t").partition("=")
        values = cookies.setdefault(name, [])
        if len(values) < NAMESAKES:
            values.append(value)
    return cookies


class Cookies:
    """Writes and reads values of any length up to PIECES cookies of 4,096 bytes (RFC 6265bis section 5.6).

    Always HttpOnly and SameSite=Lax, never with Domain. `Secure` with the prefix `__Host-` or, if the path is not `/`,
    `__Secure-`, except for plain http in development; there, on localhost, the name contains the port, because cookies
    do not distinguish ports (RFC 6265bis section 8.5). The access token's cookie is sent with every request, the
    session's with `/auth`; a login's with every request if it can have the prefix `__Host-` that way.
    """

    def __init__(self, public_url: str, *, secure: bool) -> None:
        """`public_url` is the gateway's URL in the browser; its path is put before the cookies' paths."""
        parts = urlsplit(public_url)
        self._secure = secure
        self._root = parts.path.rstrip("/") or ""
        self._port = f"_{parts.port}" if not secure and parts.port and parts.hostname in _LOCALHOST else ""

    def name(self, cookie: str) -> str:
        """The name of one of the gateway's cookies in the header."""
        if self._secure:
            return ("__Host-" if self._path(cookie) == "/" else "__Secure-") + cookie
        if cookie.startswith(LOGIN_COOKIE):
            return f"{LOGIN_COOKIE.rstrip('_')}{self._port}_{cookie.removeprefix(LOGIN_COOKIE)}"
        return cookie + self._port

    def values(self, sent: SentCookies, cookie: str) -> Iterator[str]:
        """The possible values of `cookie`: one, unless several cookies of its name were sent. None if it, or a piece of
        it, is missing."""
        name = self.name(cookie)
        for value in sent.get(name, ()):
            count, dot, first = value.partition(".")
            if not dot or count not in _COUNTS:
                continue
            rest = [sent.get(f"{name}-{number}", ()) for number in range(1, int(count))]
            for pieces in islice(product(*rest), CANDIDATES):
                yield first + "".join(pieces)

    def logins(self, sent: SentCookies) -> list[str]:
        """The sign-in transaction cookies of the request, by their internal name."""
        prefix = self.name(LOGIN_COOKIE)
        return [
            LOGIN_COOKIE + name[len(prefix) :] for name in sent if name.startswith(prefix) and "-" not in name[-16:]
        ]

    def write(self, response: Response, sent: SentCookies, cookie: str, value: str, life: int) -> None:
        """Set `cookie` for `life` seconds, in as many pieces as needed; older pieces beyond them are removed.

        Raises ValueError if it does not fit in PIECES.
        """
        pieces = [value[at : at + PIECE_CHARACTERS] for at in range(0, len(value), PIECE_CHARACTERS)]
        if len(pieces) > PIECES:
            raise ValueError("a cookie's value is too long")
        for number, piece in enumerate(pieces):
            self._set(response, cookie, number, f"{len(pieces)}.{piece}" if number == 0 else piece, life)
        for number in range(len(pieces), PIECES):
            if f"{self.name(cookie)}-{number}" in sent:
                self._set(response, cookie, number, "", 0)

    def remove(self, response: Response, sent: SentCookies, cookie: str) -> None:
        """Remove `cookie` and those of its pieces that were sent."""
        self._set(response, cookie, 0, "", 0)
        for number in range(1, PIECES):
            if f"{self.name(cookie)}-{number}" in sent:
                self._set(response, cookie, number, "", 0)

    def _set(self, response: Response, cookie: str, number: int, value: str, life: int) -> None:
        response.set_cookie(
            self.name(cookie) + (f"-{number}" if number else ""),
            value,
            max_age=life,
            path=self._path(cookie),
            secure=self._secure,
            httponly=True,
            samesite="Lax",
        )

    def _path(self, cookie: str) -> str:
        if cookie == ACCESS_COOKIE:
            return self._root or "/"
        if cookie != SESSION_COOKIE and self._secure and not self._root:
            return "/"  # required by `__Host-`
        return f"{self._root}/auth"
