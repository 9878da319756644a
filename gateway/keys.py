"""The set of public keys that an issuer publishes; each key is checked separately."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joserfc.jwk import ECKey, JWKRegistry, Key, OKPKey, RSAKey

MIN_RSA_BITS = 2048
MOST_OF_ONE_ID = 4
"""The maximum number of keys that are tried for a token."""

_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


class KeySet:
    """The keys of one JWKS (RFC 7517) that may verify signatures."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """`document` is a parsed JWKS. A key that is malformed, too short, symmetric or not for signatures is ignored,
        without an effect on the others."""
        members = document.get("keys")
        usable = [(jwk, key) for jwk in (members if isinstance(members, list) else []) if (key := _usable(jwk))]
        self._keys = tuple(usable)

    def __len__(self) -> int:
        return len(self._keys)

    def same_as(self, other: KeySet) -> bool:
        """Whether both contain the same keys."""
        return [jwk for jwk, _ in self._keys] == [jwk for jwk, _ in other._keys]

    def find(self, kid: str | None, algorithm: str) -> tuple[Key, ...]:
        """The keys with this id that fit the algorithm; usually one, but the issuer may use an id twice. Without an id,
        the only key that fits."""
        fitting = tuple(
            key for jwk, key in self._keys if _fits(jwk, key, algorithm) and (kid is None or jwk.get("kid") == kid)
        )
        return fitting[:MOST_OF_ONE_ID] if kid is not None or len(fitting) == 1 else ()

    def knows(self, kid: str) -> bool:
        """Whether there is a key with this id, for any algorithm."""
        return any(jwk.get("kid") == kid for jwk, _ in self._keys)


NO_KEYS = KeySet({})


def _usable(jwk: Any) -> Key | None:
    """The key if it can verify signatures; None for any other entry of a JWKS."""
    try:
        if jwk.get("kty") not in ("RSA", "EC", "OKP") or jwk.get("use", "sig") != "sig":
            return None
        if "verify" not in jwk.get("key_ops", ["verify"]):
            return None
        key = JWKRegistry.import_key({name: jwk[name] for name in ("kty", "n", "e", "crv", "x", "y") if name in jwk})
        if isinstance(key, RSAKey) and key.public_key.key_size < MIN_RSA_BITS:
            return None
    except Exception:
        # A malformed key is ignored, whatever the exception of the library is.
        return None
    return key


def _fits(jwk: Mapping[str, Any], key: Key, algorithm: str) -> bool:
    if jwk.get("alg", algorithm) != algorithm:
        return False
    if algorithm.startswith(("RS", "PS")):
        return isinstance(key, RSAKey)
    if algorithm.startswith("ES"):
        return isinstance(key, ECKey) and key.curve_name == _CURVES[algorithm]
    return isinstance(key, OKPKey) and algorithm == "EdDSA" and key.curve_name in ("Ed25519", "Ed448")
