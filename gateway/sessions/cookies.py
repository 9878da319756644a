"""The gateway's cookies: their names, attributes and pieces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from werkzeug.wrappers import Response

from gateway.headers import ACCESS_COOKIE, LOGIN_COOKIE

PIECE_CHARACTERS = 3_900
PIECES = 8


def sent_cookies(environ: Mapping[str, Any]) -> dict[str, str]:
    """The cookies of a request, the first of each name. Split at semicolons and nowhere else (RFC 6265bis section
    5.8.3): other people's quotes or bytes can not hide ours."""
    cookies: dict[str, str] = {}
    for pair in environ.get("HTTP_COOKIE", "").split(";"):
        # Not Python's white space: a browser takes no-break space and `__Host-…` for a name without a prefix.
        name, _, value = pair.strip(" \t").partition("=")
        cookies.setdefault(name, value)
    return cookies


class Cookies:
    """Writes and reads values of any length up to PIECES cookies of 4,096 bytes (RFC 6265bis section 5.6).

    HttpOnly and SameSite=Lax always, no Domain ever. `Secure` and the `__Host-` or (under a path) `__Secure-` prefix,
    but for plain http in development. The access token's cookie goes with every request, all others with `/auth`.
    """

    def __init__(self, public_url: str, *, secure: bool) -> None:
        """`public_url` is the gateway as the browser sees it; its path goes before the cookies' paths."""
        self._secure = secure
        self._root = urlsplit(public_url).path.rstrip("/") or ""

    def name(self, cookie: str) -> str:
        """The name on the wire of one of our cookies."""
        if not self._secure:
            return cookie
        return ("__Host-" if self._path(cookie) == "/" else "__Secure-") + cookie

    def read(self, sent: Mapping[str, str], cookie: str) -> str | None:
        """The value of `cookie` of those that were sent; None where it, or a piece of it, is not there."""
        name = self.name(cookie)
        count, dot, first = sent.get(name, "").partition(".")
        if not dot or count not in _COUNTS:
            return None
        rest = [sent.get(f"{name}-{number}") for number in range(1, int(count))]
        return None if None in rest else first + "".join(piece or "" for piece in rest)

    def logins(self, sent: Mapping[str, str]) -> list[str]:
        """The sign-in transaction cookies that were sent, by our name for them."""
        prefix = self.name(LOGIN_COOKIE)
        return [
            LOGIN_COOKIE + name[len(prefix) :] for name in sent if name.startswith(prefix) and "-" not in name[-16:]
        ]

    def write(self, response: Response, sent: Mapping[str, str], cookie: str, value: str, life: int) -> None:
        """Set `cookie` for `life` seconds, in as many pieces as it needs; older pieces beyond them are removed.

        ValueError where it does not fit in PIECES.
        """
        pieces = [value[at : at + PIECE_CHARACTERS] for at in range(0, len(value), PIECE_CHARACTERS)]
        if len(pieces) > PIECES:
            raise ValueError("a cookie's value is too long")
        for number, piece in enumerate(pieces):
            self._set(response, cookie, number, f"{len(pieces)}.{piece}" if number == 0 else piece, life)
        for number in range(len(pieces), PIECES):
            if f"{self.name(cookie)}-{number}" in sent:
                self._set(response, cookie, number, "", 0)

    def remove(self, response: Response, sent: Mapping[str, str], cookie: str) -> None:
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
        return (self._root or "/") if cookie == ACCESS_COOKIE else f"{self._root}/auth"


_COUNTS = frozenset(str(number) for number in range(1, PIECES + 1))
