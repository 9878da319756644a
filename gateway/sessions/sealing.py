"""Sealing of values that the browser stores but can neither read nor change."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from typing import Any

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_SEALED = re.compile(r"[A-Za-z0-9_-]+")


def derive(secret: str, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose, derived from a secret of the settings (HKDF, RFC 5869)."""
    return HKDF(SHA256(), 32, salt=None, info=f"api-gateway {purpose}".encode()).derive(secret.encode())


class Seal:
    """Authenticated encryption of small JSON objects for one purpose; the first secret seals, all of them open."""

    def __init__(self, secrets: tuple[str, ...], purpose: str) -> None:
        self._fernet = MultiFernet([Fernet(urlsafe_b64encode(derive(secret, purpose))) for secret in secrets])

    def seal(self, content: dict[str, Any]) -> str:
        """`content` as URL-safe text."""
        return self._fernet.encrypt(orjson.dumps(content)).rstrip(b"=").decode()

    def open(self, text: str | None, life: int | None = None) -> dict[str, Any] | None:
        """The sealed object. None if `text` is missing, was modified, was sealed for another purpose or with another
        secret, or (with `life`) more than `life` seconds ago."""
        if not text or _SEALED.fullmatch(text) is None:  # decoding would ignore other characters
            return None
        try:
            opened = self._fernet.decrypt(text + "=" * (-len(text) % 4), ttl=life)
        except (InvalidToken, ValueError):
            return None
        content: dict[str, Any] = orjson.loads(opened)
        return content
