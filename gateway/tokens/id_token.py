"""ID tokens, which identify the signed-in user (OpenID Connect Core 1.0 section 3.1.3.7)."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256, sha384, sha512, shake_256
from hmac import compare_digest
from time import time
from typing import Any

from gateway.tokens.claims import audience, require_times, text_claim
from gateway.tokens.invalid import InvalidToken
from gateway.tokens.signatures import Signatures

_KINDS = frozenset({"jwt"})
_HASHES = {"256": sha256, "384": sha384, "512": sha512, "DSA": sha512}
_ED448_CHARACTERS = 152
"""Of a signature in a token: 114 bytes, as no other algorithm makes (RFC 8032 section 5.2.6)."""


@dataclass(frozen=True, slots=True)
class IdTokens:
    """Verifies the ID tokens of one issuer for one client; `leeway` in seconds."""

    signatures: Signatures
    issuer: str
    client_id: str
    leeway: float

    def verify(self, token: Any, access_token: str, nonce: str | None) -> Mapping[str, Any]:
        """The claims of an ID token that came with `access_token`; `nonce` is the login's, None after a refresh.

        Raises InvalidToken if it is missing or any check fails.
        """
        if not isinstance(token, str):
            raise InvalidToken("id_token", "the token answer holds no ID token: is openid in KEYCLOAK_SCOPES?")
        _, claims = self.signatures.claims(token, _KINDS, fetched=True)
        if claims.get("iss") != self.issuer:
            raise InvalidToken("id_token", "the ID token is of another issuer")
        if audience(claims) != [self.client_id] or claims.get("azp", self.client_id) != self.client_id:
            raise InvalidToken("id_token", "the ID token is not for this client alone")
        if claims.get("typ", "ID") != "ID":
            raise InvalidToken("id_token", "this is no ID token")
        if text_claim(claims.get("sub")) is None or "iat" not in claims:
            raise InvalidToken("id_token", "the ID token has no sub or iat")
        require_times(claims, self.leeway, time())
        if nonce is not None and not _same(claims.get("nonce"), nonce):
            raise InvalidToken("id_token", "the ID token has another login's nonce")
        if "at_hash" in claims and not _same(claims["at_hash"], _half_hash(token, access_token, self)):
            raise InvalidToken("id_token", "the ID token came with another access token")
        return claims


def _same(value: Any, expected: str) -> bool:
    return isinstance(value, str) and compare_digest(value.encode("utf-8", "replace"), expected.encode())


def _half_hash(token: str, access_token: str, tokens: IdTokens) -> str:
    """`at_hash` (OpenID Connect Core 1.0 section 3.1.3.6): half of the hash that the token's algorithm uses."""
    if len(token) - token.rindex(".") - 1 == _ED448_CHARACTERS:
        digest = shake_256(access_token.encode()).digest(114)
    else:
        digest = _HASHES[tokens.signatures.algorithm(token)[-3:]](access_token.encode()).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
