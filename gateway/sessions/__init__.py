"""Sessions: cookies that carry sealed tokens, refreshes made once, sessions that are over."""

from gateway.sessions.cookies import Cookies, sent_cookies
from gateway.sessions.ended import Ended
from gateway.sessions.redirects import Redirects
from gateway.sessions.refresh import Refresher
from gateway.sessions.sealing import Seal, derive
from gateway.sessions.session import Session, Sessions
from gateway.sessions.signin import LOGIN_SECONDS, LoginExpired, LoginFailed, SignedIn, SignIn, cookie_of

__all__ = [
    "LOGIN_SECONDS",
    "Cookies",
    "Ended",
    "LoginExpired",
    "LoginFailed",
    "Redirects",
    "Refresher",
    "Seal",
    "Session",
    "Sessions",
    "SignIn",
    "SignedIn",
    "cookie_of",
    "derive",
    "sent_cookies",
]
