"""A session in two cookies with a common id: the access token in one, refresh and ID token in the other."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from secrets import token_urlsafe

from werkzeug.wrappers import Response

from gateway import errors
from gateway.cache import Cache
from gateway.headers import ACCESS_COOKIE, SESSION_COOKIE
from gateway.oidc import TokenAnswer
from gateway.sessions.cookies import Cookies, SentCookies
from gateway.sessions.sealing import Seal

log = logging.getLogger("gateway.sessions")

OPENED_BYTES = 16 << 20
"""The size of the cache of opened cookies; about 5,000 of the usual length."""

BESIDE_BYTES = 500
"""The memory of an opened cookie in addition to its own length and that of its token."""

CHARACTERS = 28_000
"""The maximum of a session's cookies together: all cookies must fit in one header field of 32 KiB."""


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """The session of a browser. `id` is the gateway's own, one per sign-in; `user_id` is the signed-in user, empty if
    only the access token's cookie was sent; `access_token` is empty if only the other one was sent."""

    id: str
    user_id: str
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    id_token: str | None = field(repr=False)

    @classmethod
    def of(cls, user_id: str, tokens: TokenAnswer) -> BrowserSession:
        """A new session."""
        return cls(token_urlsafe(16), user_id, tokens.access_token, tokens.refresh_token, tokens.id_token)

    def renewed(self, tokens: TokenAnswer) -> BrowserSession:
        """The same session with the tokens of a refresh; tokens that are missing in it are kept."""
        return replace(
            self,
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token or self.refresh_token,
            id_token=tokens.id_token or self.id_token,
        )


class SessionCookies:
    """Reads sessions from the cookies of a request, and writes them into responses."""

    def __init__(self, cookies: Cookies, secrets: tuple[str, ...]) -> None:
        self._cookies = cookies
        self._access_seal = Seal(secrets, "access cookie")
        self._session_seal = Seal(secrets, "session cookie")
        # Opening costs 40 us, and the same cookie comes with each request. Bounded.
        self._opened: Cache[tuple[str, str]] = Cache(OPENED_BYTES)

    def accesses(self, sent: SentCookies) -> Iterator[tuple[str, str]]:
        """Session id and access token of each cookie that is sent with every request and can be opened: one, unless
        another session's cookie of the same name was sent too."""
        for value in self._cookies.values(sent, ACCESS_COOKIE):
            known = self._opened.get(value)
            if known is None:
                content = self._access_seal.open(value)
                if content is None:
                    continue
                known = content["id"], content["access"]
                self._opened.put(value, known, len(value) + len(known[1]) + BESIDE_BYTES)
            yield known

    def sessions(self, sent: SentCookies) -> Iterator[BrowserSession]:
        """The complete sessions from the cookies under `/auth`, then those of which only the access token was sent,
        without a user. Parts of different sessions are not combined."""
        opened = (self._session_seal.open(value) for value in self._cookies.values(sent, SESSION_COOKIE))
        contents = {content["id"]: content for content in opened if content is not None}
        halves: list[BrowserSession] = []
        for session_id, access_token in self.accesses(sent):
            content = contents.get(session_id)
            if content is None:
                halves.append(BrowserSession(session_id, "", access_token, None, None))
            else:
                yield BrowserSession(session_id, content["user"], access_token, content["refresh"], content["identity"])
        yield from halves

    def without_access(self, sent: SentCookies) -> Iterator[BrowserSession]:
        """The sessions of which only the cookie under `/auth` was sent."""
        known = {session_id for session_id, _ in self.accesses(sent)}
        for value in self._cookies.values(sent, SESSION_COOKIE):
            content = self._session_seal.open(value)
            if content is not None and content["id"] not in known:
                yield BrowserSession(content["id"], content["user"], "", content["refresh"], content["identity"])

    def save(self, response: Response, sent: SentCookies, session: BrowserSession, life: int) -> None:
        """Set the session's cookies for `life` seconds, the lifetime of its refresh token, so that an expired access
        token is still sent and answered with "Token expired". Raises BadGateway if the tokens are too long for
        cookies."""
        access = {"id": session.id, "access": session.access_token}
        rest = {
            "id": session.id,
            "user": session.user_id,
            "refresh": session.refresh_token,
            "identity": session.id_token,
        }
        sealed, sealed_rest = self._access_seal.seal(access), self._session_seal.seal(rest)
        if len(sealed) + len(sealed_rest) > CHARACTERS:
            log.error(
                "Auth: the tokens of a session are too long for its cookies (%d characters): remove roles from them"
                " (Clients > the client > Client scopes > its dedicated scope > Scope)", len(sealed) + len(sealed_rest),
            )  # fmt: skip
            raise errors.BadGateway()
        self._cookies.write(response, sent, ACCESS_COOKIE, sealed, life)
        self._cookies.write(response, sent, SESSION_COOKIE, sealed_rest, life)

    def clear(self, response: Response, sent: SentCookies) -> None:
        """Remove the session's cookies."""
        for cookie in (ACCESS_COOKIE, SESSION_COOKIE):
            self._cookies.remove(response, sent, cookie)
