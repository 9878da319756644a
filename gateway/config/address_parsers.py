"""Parsers of addresses in settings: URLs, origins, brokers. Each parses a string, or reports what it expected."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from gateway.config.parsers import read_list

# The characters of a URL (RFC 3986 section 2), less "*" and the like in its host.
_URL = re.compile(r"https?://(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::\d+)?(?:/[\w.~!$&'()*+,;=:@%/-]*)?", re.ASCII)


def _split_url(value: str, expected: str) -> SplitResult:
    """The parts of an absolute http(s) URL without user, query and fragment. Raises ValueError(expected)."""
    try:
        parts = urlsplit(value)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise ValueError(expected) from None
    if (
        not valid
        or _URL.fullmatch(value) is None
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
        or value[-1] in "?#"
    ):
        raise ValueError(expected)
    return parts


def read_url(value: str) -> str:
    """An absolute URL, unchanged."""
    _split_url(value, "expected an absolute http:// or https:// URL without user, query or fragment")
    return value


def read_base_urls(value: str) -> tuple[str, ...]:
    """Base URLs of the instances of one service, without trailing slashes."""
    expected = "expected http://host:port, or several of them separated by commas (one for each instance)"
    members = read_list(value)
    if not members:
        raise ValueError(expected)
    for member in members:
        _split_url(member, expected)
    return tuple(member.rstrip("/") for member in members)


def read_origins(value: str) -> tuple[str, ...]:
    """Origins as a browser sends them (RFC 6454 section 6.1): lower case, no default port, no path."""
    expected = "expected the frontend's origin such as https://app.example.com (several: separated by commas)"
    members = read_list(value)
    if "*" in value:
        raise ValueError(expected + "; * cannot be combined with credentials and would open every session")
    if not members:
        raise ValueError(expected)
    return tuple(_origin(member, expected) for member in members)


def _origin(value: str, expected: str) -> str:
    parts = _split_url(value, expected)
    if parts.path not in ("", "/"):
        raise ValueError(expected + " without a path")
    default = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, default) else "")


def read_urls(value: str) -> tuple[str, ...]:
    """Absolute URLs separated by commas, unchanged."""
    return tuple(read_url(member) for member in read_list(value))


def read_redis(value: str) -> SecretStr:
    """The URL of a Redis, which may contain a password. Stricter than redis-py, which takes `redis://:12/3@host` for
    port 12 of this machine."""
    if not _is_redis_url(value):
        raise ValueError(
            "expected redis://host:port/number, rediss:// or unix:///path?db=number; a password goes before the host"
            " (redis://:password@host), percent-encoded where it holds one of / ? # [ ] @ : % (`/` is %2F)"
        )
    return SecretStr(value)


def _is_redis_url(value: str) -> bool:
    if not re.match(r"(?:rediss?|unix)://\S+$", value):
        return False
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return False
    if (
        parts.fragment
        or "@" in parts.path + parts.query
        or not re.fullmatch(r"(?:[a-z_]+=[^&=]*(?:&|$))*", parts.query)
    ):
        return False
    if parts.scheme == "unix":
        return bool(parts.path)
    return bool(parts.hostname) and re.fullmatch(r"/?|/[0-9]{1,9}", parts.path, re.ASCII) is not None


def read_brokers(value: str) -> tuple[str, ...]:
    """`host:port` of Kafka brokers; an IPv6 address goes in brackets."""
    members = read_list(value)
    for member in members:
        found = re.fullmatch(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})", member)
        if found is None or not 0 < int(found[1]) < 65536:
            raise ValueError("expected host:port, several of them separated by commas")
    return members
