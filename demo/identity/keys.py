"""The realm's keys: one signs, older ones stay listed until they are dropped."""

from __future__ import annotations

import functools
import threading
from typing import Any

from joserfc.jwk import KeySet, OctKey, RSAKey


@functools.cache
def _encryption_key() -> RSAKey:
    """Keycloak lists an RSA-OAEP key too, which must verify nothing. One is enough for a process."""
    return RSAKey.generate_key(2048)


class SigningKeys:
    """RS256 keys, newest first, and the secret that signs refresh tokens (HS512)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys = [_new_key()]
        self.secret = OctKey.generate_key(512)

    @property
    def current(self) -> RSAKey:
        return self._keys[0]

    def key_set(self) -> KeySet:
        """Public halves of the signing keys, to verify what was signed here."""
        with self._lock:
            return KeySet([RSAKey.import_key(_public(key, use="sig", alg="RS256")) for key in self._keys])

    def jwks(self) -> dict[str, Any]:
        """The document of the certs endpoint (RFC 7517, section 5)."""
        with self._lock:
            listed = [_public(key, use="sig", alg="RS256") for key in self._keys]
        return {"keys": [*listed, _public(_encryption_key(), use="enc", alg="RSA-OAEP")]}

    def rotate(self) -> str:
        """A new key signs at once, the old one stays listed. Returns the new ``kid``."""
        key = _new_key()
        with self._lock:
            self._keys.insert(0, key)
        return str(key.kid)

    def drop(self, kid: str) -> None:
        """Take a key off the list; a new one replaces the last. ``KeyError`` for one that is not listed."""
        with self._lock:
            left = [key for key in self._keys if key.kid != kid]
            if len(left) == len(self._keys):
                raise KeyError(kid)
            self._keys = left or [_new_key()]


def _new_key() -> RSAKey:
    key = RSAKey.generate_key(2048)
    key.ensure_kid()
    return key


def _public(key: RSAKey, **members: str) -> dict[str, Any]:
    key.ensure_kid()
    return dict(key.as_dict(private=False, **members))
