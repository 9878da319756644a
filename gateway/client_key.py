"""The private key with which the gateway authenticates at Keycloak (`private_key_jwt`)."""

from __future__ import annotations

from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

MIN_CLIENT_KEY_BITS = 2048

_ALGORITHMS = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}


def signing_key(pem: str) -> tuple[Key, str]:
    """The key of a PEM string, and its JWS algorithm. Raises ValueError for a key that Keycloak does not support."""
    for kind in (RSAKey, ECKey, OKPKey):
        key = _imported(kind, pem)
        if isinstance(key, RSAKey) and key.raw_value.key_size >= MIN_CLIENT_KEY_BITS:
            return key, "RS256"
        if isinstance(key, (ECKey, OKPKey)) and key.curve_name in _ALGORITHMS:
            return key, _ALGORITHMS[key.curve_name]
    raise ValueError("expected a PEM private key, without passphrase: RSA of 2048 bits or more, EC or Ed25519")


def _imported(kind: type[RSAKey] | type[ECKey] | type[OKPKey], pem: str) -> Key | None:
    """The private key, or None if it is not of this type; any exception of the library means the latter."""
    try:
        key = kind.import_key(pem)
    except Exception:
        return None
    return key if key.is_private else None
