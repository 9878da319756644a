"""Hashes names and seals values that leave the process."""

from __future__ import annotations

import os
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE = 12


class Sealer:
    """AES-256-GCM for values, keyed BLAKE2b (RFC 7693) for names; both keys, and `deployment`, come from the secret by
    HKDF.

    `deployment` (16 hex digits) identifies this secret and name in the names of files and keys.
    """

    def __init__(self, secret: bytes, name: str) -> None:
        derived = HKDF(SHA256(), length=72, salt=None, info=b"api-gateway store 1\0" + name.encode()).derive(secret)
        self._cipher = AESGCM(derived[:32])
        self._naming = blake2b(key=derived[32:64], digest_size=32, person=b"name")
        self._counters = blake2b(key=derived[32:64], digest_size=16, person=b"counter")
        self.deployment = derived[64:].hex()

    def name(self, kind: str, key: str) -> bytes:
        """The stored name of a key of this kind."""
        digest = self._naming.copy()
        digest.update(f"{kind}\0{key}".encode())
        return digest.digest()

    def counter(self, key: str) -> bytes:
        """The stored name of a counter: 16 bytes."""
        digest = self._counters.copy()
        digest.update(key.encode())
        return digest.digest()

    def seal(self, name: bytes, value: bytes) -> bytes:
        """The sealed value, bound to this name."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, value, name)

    def open(self, name: bytes, sealed: bytes) -> bytes | None:
        """The value; None if it was sealed for another name or with another secret, or was modified."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], name)
        except (InvalidTag, ValueError):
            return None
