"""Tokens of the issuer: access tokens, ID tokens, logout tokens, each with the checks of its kind."""

from gateway.tokens.access import Rules, Verifier
from gateway.tokens.invalid import InvalidToken, Lapsed
from gateway.tokens.logout import Logout, LogoutTokens
from gateway.tokens.signatures import Signatures
from gateway.tokens.signed_in import IdTokens

__all__ = ["IdTokens", "InvalidToken", "Lapsed", "Logout", "LogoutTokens", "Rules", "Signatures", "Verifier"]
