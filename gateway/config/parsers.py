"""Parsers of the values of settings, except addresses. Each parses a string, or reports what it expected."""

from __future__ import annotations

import math
import re
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from limits import parse_many
from pydantic import SecretStr

from gateway.client_key import signing_key
from gateway.scope.peers import Networks
from gateway.settings_files import pem_of

_NO_ALIASES: Mapping[str, str] = MappingProxyType({})

KAFKA_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


def read_list(value: str) -> tuple[str, ...]:
    """Words separated by commas."""
    return tuple(member for member in (part.strip() for part in value.split(",")) if member)


def read_networks(value: str) -> tuple[str, ...]:
    """Addresses and networks, or `unix`."""
    members = read_list(value)
    try:
        Networks(members)
    except ValueError:
        raise ValueError("expected addresses, CIDR networks or unix, separated by commas") from None
    return members


def read_algorithms(value: str) -> tuple[str, ...]:
    """JWS algorithms (RFC 7518 section 3.1), without `none`."""
    known = (
        "RS256",
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "PS512",
        "ES256",
        "ES384",
        "ES512",
        "EdDSA",
        "HS256",
    )
    members = read_list(value)
    if not members or not set(members) <= set(known):
        raise ValueError("expected some of " + ", ".join(known) + ", separated by commas")
    return members


def read_rate(value: str) -> str:
    """Rate limits as `limits` reads them."""
    try:
        items = parse_many(value)
    except ValueError:
        items = []
    if not items or any(item.amount < 1 for item in items):
        raise ValueError('expected a rate limit such as "100 per 15 minutes" (several: separated by semicolons)')
    return value


def read_topic(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", value) or value in (".", ".."):
        raise ValueError("expected a topic's name: letters, digits, dots, dashes, underscores")
    return value


def choice(*known: str, any_case: bool = True, aliases: Mapping[str, str] = _NO_ALIASES) -> Callable[[str], str]:
    """A reader of one of the `known` words, in `any_case` or as it is; `aliases` (lower case) are other words."""
    folded = {word.lower() if any_case else word: word for word in known} | dict(aliases)

    def read(value: str) -> str:
        found = folded.get(value.lower() if any_case else value)
        if found is None:
            raise ValueError(f"expected {', '.join(known[:-1])} or {known[-1]}")
        return found

    return read


def read_flag(value: str) -> bool:
    """`true` or `false`, in any case."""
    known = {"true": True, "false": False}
    if value.lower() not in known:
        raise ValueError("expected true or false")
    return known[value.lower()]


def read_number(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 0 < int(value[:20]) < 10**15):
        raise ValueError("expected a whole number over 0")
    return int(value)


def read_port(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 6 and 0 < int(value) < 65536):
        raise ValueError("expected a port from 1 to 65535")
    return int(value)


def _decimal(value: str) -> float:
    """The number in a string; NaN, which is in no range, if it is not a number."""
    try:
        return float(value)
    except ValueError:
        return math.nan


def read_seconds(value: str) -> float:
    """A time in seconds, over 0."""
    seconds = _decimal(value)
    if not 0 < seconds <= 86_400:
        raise ValueError("expected seconds, over 0 and at most 86400")
    return seconds


def read_leeway(value: str) -> float:
    """A clock skew in seconds; more than a minute would keep expired tokens valid."""
    seconds = _decimal(value)
    if not 0 <= seconds <= 60:
        raise ValueError("expected seconds from 0 to 60")
    return seconds


def read_share(value: str) -> float:
    """A fraction, over 0 and at most 1."""
    share = _decimal(value)
    if not 0 < share <= 1:
        raise ValueError("expected a share, over 0 and at most 1")
    return share


def read_certificates(value: str) -> Path:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem_of(Path(value)))
    except (OSError, ValueError):
        raise ValueError("expected the path of a readable PEM file of certificates") from None
    return Path(value)


def read_private_key(value: str) -> SecretStr:
    """A private key that can sign for the client."""
    signing_key(value)
    return SecretStr(value)
