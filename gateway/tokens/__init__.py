"""Tokens of the issuer: access tokens, ID tokens and logout tokens, each with its own checks."""

from gateway.tokens.access_token import AccessTokenPolicy, Verifier
from gateway.tokens.id_token import IdTokens
from gateway.tokens.invalid import EarlyToken, EndedSession, ExpiredToken, InvalidToken
from gateway.tokens.logout_token import LogoutNotice, LogoutTokens
from gateway.tokens.signatures import Signatures

__all__ = [
    "AccessTokenPolicy",
    "EarlyToken",
    "EndedSession",
    "ExpiredToken",
    "IdTokens",
    "InvalidToken",
    "LogoutNotice",
    "LogoutTokens",
    "Signatures",
    "Verifier",
]
