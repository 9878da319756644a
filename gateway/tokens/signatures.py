"""Signatures: the claims of a compact JWS (RFC 7515) that is signed by a trusted key."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any, Protocol

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key, OctKey

from gateway.headers import TOKEN_BYTES
from gateway.keys import KeySet
from gateway.tokens.invalid import InvalidToken

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


class KeySource(Protocol):
    """Provides the issuer's keys."""

    @property
    def keys(self) -> KeySet: ...

    def keys_for(self, kid: str | None, *, at_once: bool = False) -> KeySet: ...


class Signatures:
    """Verifies with the keys of one issuer, or a shared secret, and only by the algorithms of the settings."""

    def __init__(self, algorithms: tuple[str, ...], source: KeySource, secret: bytes | None = None) -> None:
        """`secret` verifies only HS256, and only if `algorithms` contains it."""
        self._algorithms = algorithms
        self._source = source
        self._secret = OctKey.import_key(secret) if secret is not None else None

    @property
    def keys(self) -> KeySet:
        """The public keys as last read; a new object after a change."""
        return self._source.keys

    def claims(self, token: str, kinds: frozenset[str], *, fetched: bool = False) -> tuple[str, dict[str, Any]]:
        """The header's `typ` (`kind_of`) and the claims of a token whose signature is valid and whose `typ` is missing
        or one of `kinds`. `fetched`: the gateway got the token from Keycloak itself, so an unknown key must be a new
        one.

        Raises InvalidToken for any invalid bytes, ServiceUnavailable if no keys were ever read, or new ones cannot be
        read.
        """
        if len(token) > TOKEN_BYTES or _COMPACT.fullmatch(token) is None:
            raise InvalidToken("malformed")
        header = _parse(_decode(token.partition(".")[0]))
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in self._algorithms:
            raise InvalidToken("algorithm")
        if "crit" in header or header.get("b64", True) is not True or not isinstance(kid, (str, type(None))):
            raise InvalidToken("header")
        kind = kind_of(header)
        if "typ" in header and kind not in kinds:
            raise InvalidToken("type")
        if algorithm == "HS256":
            keys: tuple[Key, ...] = (self._secret,) if self._secret is not None else ()
        else:
            keys = self._source.keys_for(kid, at_once=fetched).find(kid, algorithm)
        if not keys:
            raise InvalidToken("key")
        for key in keys:
            payload = _payload(token, key, algorithm)
            if payload is not None:
                return kind, _parse(payload)
        raise InvalidToken("signature")

    def algorithm(self, token: str) -> str:
        """The algorithm of a verified token."""
        return str(_parse(_decode(token.partition(".")[0]))["alg"])


def kind_of(header: Mapping[str, Any]) -> str:
    """The `typ` of a token's header, in lower case and without `application/` (RFC 7515 section 4.1.9); empty if
    missing. Raises InvalidToken."""
    kind = header.get("typ")
    if not isinstance(kind, (str, type(None))):
        raise InvalidToken("type")
    return (kind or "").lower().removeprefix("application/")


def _payload(token: str, key: Key, algorithm: str) -> bytes | None:
    """The payload, or None if the key did not sign it."""
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    registry.max_header_length = TOKEN_BYTES
    try:
        return jws.deserialize_compact(token, key, algorithms=[algorithm], registry=registry).payload
    except (JoseError, ValueError, TypeError, RecursionError):
        return None


def _decode(part: str) -> bytes:
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        raise InvalidToken("malformed") from None


def _parse(text: bytes) -> dict[str, Any]:
    """A JSON object. Extremely long numbers, deep nesting and invalid UTF-8 are malformed."""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidToken("malformed") from None
    if not isinstance(parsed, dict):
        raise InvalidToken("malformed")
    return parsed
