"""Who is signed in: sessions, their codes and refresh tokens. In memory, bounded, behind a lock."""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Any

from authlib.oidc.core import AuthorizationCodeMixin

from demo.identity.settings import User

MAX_ENTRIES = 10_000


@dataclass(frozen=True)
class Code(AuthorizationCodeMixin):
    """An authorization code (RFC 6749, 4.1.2) and all it is bound to."""

    value: str = field(repr=False)
    sid: str
    client_id: str
    redirect_uri: str
    scope: str
    nonce: str | None
    code_challenge: str | None
    code_challenge_method: str | None
    auth_time: int
    expires: float
    spent: bool = False

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> int:
        return self.auth_time

    def get_acr(self) -> None:
        """Left out, as the access token carries it."""

    def get_amr(self) -> None:
        """Not known here."""


@dataclass
class Session:
    """One sign-in of one user.

    ``browser`` is the value of the single sign-on cookie, empty for a direct grant; ``clients`` got tokens;
    ``chains`` holds, for each line of rotated refresh tokens, the ``jti`` that is good now.
    """

    sid: str
    user: User
    auth_time: int
    browser: str
    expires: float
    clients: set[str] = field(default_factory=set)
    chains: dict[str, str] = field(default_factory=dict)


class Sessions:
    """All sessions of a realm; one that ended is gone."""

    def __init__(self, lifetime: int, code_lifetime: int) -> None:
        self._lifetime, self._code_lifetime = lifetime, code_lifetime
        self._lock = threading.RLock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._codes: OrderedDict[str, Code] = OrderedDict()

    def begin(self, user: User, *, browser: bool) -> Session:
        cookie = secrets.token_urlsafe(32) if browser else ""
        now = time.time()
        session = Session(secrets.token_urlsafe(18), user, int(now), cookie, now + self._lifetime)
        with self._lock:
            self._sessions[session.sid] = session
            _bound(self._sessions)
        return session

    def get(self, sid: str) -> Session | None:
        """The session while it lasts."""
        with self._lock:
            session = self._sessions.get(sid)
            if session is None or session.expires > time.time():
                return session
            del self._sessions[sid]
            return None

    def of_browser(self, cookie: str) -> Session | None:
        """The session whose single sign-on cookie this is."""
        with self._lock:
            sids = [session.sid for session in self._sessions.values() if cookie and session.browser == cookie]
            return self.get(sids[0]) if sids else None

    def end(self, sid: str) -> Session | None:
        """End it and all its tokens; ``None`` if there is no such session (any more)."""
        with self._lock:
            return self._sessions.pop(sid, None)

    def add_code(self, session: Session, **bound: Any) -> str:
        """A new code, ``bound`` to what :class:`Code` has. It contains the session id, as Keycloak's do."""
        value = f"{uuid.uuid4()}.{session.sid}.{uuid.uuid4()}"
        expires = time.time() + self._code_lifetime
        code = Code(value, session.sid, auth_time=session.auth_time, expires=expires, **bound)
        with self._lock:
            self._codes[value] = code
            _bound(self._codes)
        return value

    def redeem_code(self, value: str, client_id: str) -> Code | None:
        """The code, once. A replay ends the session, and so the first exchange's tokens (RFC 6749, 4.1.2)."""
        with self._lock:
            code = self._codes.get(value)
            if code is None or code.client_id != client_id:
                return None
            if code.spent:
                self.end(code.sid)
                return None
            self._codes[value] = replace(code, spent=True)
            return code if code.expires > time.time() else None

    def add_refresh(self, session: Session, chain: str | None) -> tuple[str, str]:
        """``(chain, jti)`` of a new refresh token, which is the good one of its chain from now on."""
        with self._lock:
            chain, jti = chain or str(uuid.uuid4()), str(uuid.uuid4())
            session.chains[chain] = jti
            session.expires = time.time() + self._lifetime
            while len(session.chains) > 100:
                session.chains.pop(next(iter(session.chains)))
            return chain, jti

    def redeem_refresh(self, sid: str, chain: str, jti: str) -> Session | None:
        """The session of a refresh token, once. Reuse ends it, newest token and all (RFC 9700, 4.14.2)."""
        with self._lock:
            session = self.get(sid)
            if session is None:
                return None
            if session.chains.get(chain) != jti:
                self.end(sid)
                return None
            session.chains[chain] = ""
            return session


def _bound(entries: OrderedDict[str, Session] | OrderedDict[str, Code]) -> None:
    while len(entries) > MAX_ENTRIES:
        entries.popitem(last=False)
