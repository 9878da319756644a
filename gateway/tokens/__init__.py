"""Tokens of the issuer: access tokens, ID tokens and logout tokens, each with its own checks."""

from gateway.tokens.access_token import REQUIREMENTS, AccessTokenPolicy, Verifier, roles_of, signed_claims, typed
from gateway.tokens.id_token import IdTokens
from gateway.tokens.invalid import EarlyToken, EndedSession, ExpiredToken, InvalidToken
from gateway.tokens.logout_token import LogoutNotice, LogoutTokens
from gateway.tokens.signatures import KeySource, Signatures, kind_of

__all__ = [
    "REQUIREMENTS",
    "AccessTokenPolicy",
    "EarlyToken",
    "EndedSession",
    "ExpiredToken",
    "IdTokens",
    "InvalidToken",
    "KeySource",
    "LogoutNotice",
    "LogoutTokens",
    "Signatures",
    "Verifier",
    "kind_of",
    "roles_of",
    "signed_claims",
    "typed",
]
