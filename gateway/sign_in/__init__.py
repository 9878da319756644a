"""Sign-in as engines: the flows from a request's fields to tokens, revocations and events. They know no Flask."""

from gateway.sign_in.login import LOGIN_SECONDS, Login, LoginExpired, LoginFailed, LoginFlow, SignedIn, cookie_of
from gateway.sign_in.logout import LogoutFlow
from gateway.sign_in.refresh import RefreshFlow, SessionEnded

__all__ = [
    "LOGIN_SECONDS",
    "Login",
    "LoginExpired",
    "LoginFailed",
    "LoginFlow",
    "LogoutFlow",
    "RefreshFlow",
    "SessionEnded",
    "SignedIn",
    "cookie_of",
]
