"""Sessions: cookies that carry sealed tokens, refreshes made once, sessions that are over."""

from gateway.sessions.browser_session import BrowserSession, SessionCookies
from gateway.sessions.cookies import Cookies, sent_cookies
from gateway.sessions.redirects import Redirects
from gateway.sessions.refresh import Refresher
from gateway.sessions.revocations import SessionRevocations
from gateway.sessions.sealing import Seal, derive
from gateway.sessions.sign_in import LOGIN_SECONDS, LoginExpired, LoginFailed, SignedIn, SignIn, cookie_of

__all__ = [
    "LOGIN_SECONDS",
    "BrowserSession",
    "Cookies",
    "LoginExpired",
    "LoginFailed",
    "Redirects",
    "Refresher",
    "Seal",
    "SessionCookies",
    "SessionRevocations",
    "SignIn",
    "SignedIn",
    "cookie_of",
    "derive",
    "sent_cookies",
]
