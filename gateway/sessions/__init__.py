"""Sessions: cookies with sealed tokens, refreshes that happen once, revocations."""

from gateway.sessions.browser_session import BrowserSession, SessionCookies
from gateway.sessions.checks import RefreshChecks, misfit
from gateway.sessions.cookies import Cookies, SentCookies, sent_cookies
from gateway.sessions.redirects import Redirects
from gateway.sessions.refresh import RefreshedTokens, Refresher
from gateway.sessions.revocations import SessionRevocations
from gateway.sessions.sealing import Seal, derive

__all__ = [
    "BrowserSession",
    "Cookies",
    "Redirects",
    "RefreshChecks",
    "RefreshedTokens",
    "Refresher",
    "Seal",
    "SentCookies",
    "SessionCookies",
    "SessionRevocations",
    "derive",
    "misfit",
    "sent_cookies",
]
