"""Who asks: the header line of each request, by kind."""

from collections.abc import Callable

from werkzeug.wrappers import Response

from bench.tokens import SESSION_SECRET, USERS, Issuer
from gateway.sessions import BrowserSession, Cookies, SessionCookies

MANY_USERS = 10_000


def _bearers(tokens: list[str]) -> list[str]:
    return [f"Authorization: Bearer {token}" for token in tokens]


def _cookies(issuer: Issuer, url: str) -> list[str]:
    """What browsers send that signed in at the gateway under `url`: nothing but the access token's cookie."""
    sessions = SessionCookies(Cookies(url, secure=False), (SESSION_SECRET,))
    lines = []
    for number, token in enumerate(issuer.tokens(USERS)):
        answer = Response()
        sessions.save(answer, {}, BrowserSession(f"session-{number}", f"user-{number}", token, None, None), 3600)
        pairs = [field.partition(";")[0] for field in answer.headers.getlist("Set-Cookie") if "Path=/;" in field]
        lines.append(f"Cookie: {'; '.join(pairs)}")
    return lines


CREDENTIALS: dict[str, Callable[[Issuer, str], list[str]]] = {
    "bearers": lambda issuer, url: _bearers(issuer.tokens(USERS)),
    "many": lambda issuer, url: _bearers(issuer.tokens(MANY_USERS)),
    "refused": lambda issuer, url: _bearers(issuer.forged().tokens(USERS)),
    "cookies": _cookies,
}
"""By kind: the header lines of an issuer's users at the gateway under a URL."""
