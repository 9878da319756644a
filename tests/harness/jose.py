"""JWS made by hand on `cryptography`, so that tests can make every token a library would refuse to make."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

EdPrivateKey = ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | EdPrivateKey
SigningKey = PrivateKey | bytes

HASHES: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}
CURVES: dict[str, Callable[[], ec.EllipticCurve]] = {
    "ES256": ec.SECP256R1,
    "ES384": ec.SECP384R1,
    "ES512": ec.SECP521R1,
}
CURVE_NAMES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encode(part: Any) -> str:
    """A part of a token: bytes as they are, anything else as JSON (NaN included)."""
    return b64(part if isinstance(part, bytes) else json.dumps(part, separators=(",", ":")).encode())


def compact(header: Any, payload: Any, alg: str, key: SigningKey | None) -> str:
    """header.payload.signature, signed with `alg` whatever the header says; no signature without a key."""
    signed = f"{encode(header)}.{encode(payload)}"
    return f"{signed}.{b64(sign(signed.encode(), alg, key)) if key is not None else ''}"


def decode(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, unverified."""
    header, payload, _ = token.split(".")
    return json.loads(unb64(header)), json.loads(unb64(payload))


def sign(data: bytes, alg: str, key: SigningKey) -> bytes:
    kind, size = alg[:2], alg[2:]
    if isinstance(key, bytes):
        return hmac.new(key, data, getattr(hashlib, f"sha{size}")).digest()
    if isinstance(key, EdPrivateKey):
        return key.sign(data)
    digest = HASHES[size]()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        width = (key.curve.key_size + 7) // 8
        return b"".join(part.to_bytes(width, "big") for part in decode_dss_signature(key.sign(data, ec.ECDSA(digest))))
    if kind == "PS":
        return key.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    return key.sign(data, padding.PKCS1v15(), digest)


def generate(alg: str, bits: int = 2048) -> PrivateKey:
    if alg in CURVES:
        return ec.generate_private_key(CURVES[alg]())
    if alg == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, bits)


def number(value: int, width: int = 0) -> str:
    return b64(value.to_bytes(width or (value.bit_length() + 7) // 8, "big"))


def jwk(key: PrivateKey, **members: str) -> dict[str, str]:
    """The public JWK of a private key, with the members given."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e), **members}
    if isinstance(public, ec.EllipticCurvePublicKey):
        width, point = (public.key_size + 7) // 8, public.public_numbers()
        curve = CURVE_NAMES[public.curve.name]
        return {
            "kty": "EC",
            "crv": curve,
            "x": number(point.x, width),
            "y": number(point.y, width),
            **members,
        }
    curve = "Ed448" if isinstance(key, ed448.Ed448PrivateKey) else "Ed25519"
    return {"kty": "OKP", "crv": curve, "x": b64(public_bytes(key, "Raw", "Raw")), **members}


def public_bytes(key: PrivateKey, encoding: str = "PEM", form: str = "SubjectPublicKeyInfo") -> bytes:
    return key.public_key().public_bytes(
        getattr(serialization.Encoding, encoding), getattr(serialization.PublicFormat, form)
    )
