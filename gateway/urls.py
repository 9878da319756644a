"""URLs of peers, as logs and metrics may show them."""

from __future__ import annotations

from urllib.parse import urlsplit


def place_of(url: str) -> str:
    """Host and port of a URL, without user and password (RFC 3986 section 3.2); empty where it has no authority."""
    return urlsplit(url).netloc.rpartition("@")[2]
