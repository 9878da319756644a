"""How the values of settings are parsed: each parser reads a string, or says what it expected instead."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from limits import parse_many
from pydantic import BeforeValidator, SecretStr

from gateway.client_key import signing_key
from gateway.scope.peers import Networks

# The characters of a URL (RFC 3986 section 2), less "*" and the like in its host.
_URL = re.compile(r"https?://(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::\d+)?(?:/[\w.~!$&'()*+,;=:@%/-]*)?", re.ASCII)

_NO_ALIASES: Mapping[str, str] = MappingProxyType({})

KAFKA_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


def _members(value: str) -> tuple[str, ...]:
    return tuple(member for member in (part.strip() for part in value.split(",")) if member)


def _split_url(value: str, expected: str) -> SplitResult:
    """The parts of an absolute http(s) URL without user, query and fragment, else ValueError(expected)."""
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
    """An absolute URL, kept character for character."""
    _split_url(value, "expected an absolute http:// or https:// URL without user, query or fragment")
    return value


def read_base_urls(value: str) -> tuple[str, ...]:
    """Base URLs of the instances of one service, without their last slash."""
    expected = "expected http://host:port, or several of them separated by commas (one for each instance)"
    members = _members(value)
    if not members:
        raise ValueError(expected)
    for member in members:
        _split_url(member, expected)
    return tuple(member.rstrip("/") for member in members)


def read_origins(value: str) -> tuple[str, ...]:
    """Origins as a browser sends them (RFC 6454 section 6.1): lower case, no default port, no path."""
    expected = "expected the frontend's origin such as https://app.example.com (several: separated by commas)"
    members = _members(value)
    if "*" in value:
        raise ValueError(expected + "; * can not be combined with credentials and would open every session")
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


def read_networks(value: str) -> tuple[str, ...]:
    """Addresses and networks, or `unix`."""
    members = _members(value)
    try:
        Networks(members)
    except ValueError:
        raise ValueError("expected addresses, CIDR networks or unix, separated by commas") from None
    return members


def read_list(value: str) -> tuple[str, ...]:
    """Words separated by commas."""
    return _members(value)


def read_algorithms(value: str) -> tuple[str, ...]:
    """JWS algorithms (RFC 7518 section 3.1), of those that say who signed."""
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
    members = _members(value)
    if not members or not set(members) <= set(known):
        raise ValueError("expected some of " + ", ".join(known) + ", separated by commas")
    return members


def read_urls(value: str) -> tuple[str, ...]:
    """Absolute URLs separated by commas, each kept character for character."""
    return tuple(read_url(member) for member in _members(value))


def read_redis(value: str) -> SecretStr:
    """The URL of a Redis, which may hold a password."""
    if not re.match(r"(?:rediss?|unix)://\S+$", value):
        raise ValueError("expected redis://host:port/number, rediss:// or unix:// (a password goes before the host)")
    return SecretStr(value)


def read_rate(value: str) -> str:
    """Rate limits as `limits` reads them."""
    try:
        items = parse_many(value)
    except ValueError:
        items = []
    if not items or any(item.amount < 1 for item in items):
        raise ValueError('expected a rate limit such as "100 per 15 minutes" (several: separated by semicolons)')
    return value


def read_brokers(value: str) -> tuple[str, ...]:
    """`host:port` of Kafka brokers; an IPv6 address goes in brackets."""
    members = _members(value)
    for member in members:
        found = re.fullmatch(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})", member)
        if found is None or not 0 < int(found[1]) < 65536:
            raise ValueError("expected host:port, several of them separated by commas")
    return members


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


def read_seconds(value: str) -> float:
    """A time in seconds, over 0."""
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 86_400:
        raise ValueError("expected seconds, over 0 and at most 86400")
    return seconds


def read_leeway(value: str) -> float:
    """A clock skew in seconds; more than a minute would keep lapsed tokens alive."""
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 60:
        raise ValueError("expected seconds from 0 to 60")
    return seconds


def read_share(value: str) -> float:
    """A part of a whole."""
    try:
        share = float(value)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise ValueError("expected a share, over 0 and at most 1")
    return share


def read_certificates(value: str) -> Path:
    try:
        ssl.create_default_context(cafile=value)
    except OSError:
        raise ValueError("expected the path of a readable PEM file of certificates") from None
    return Path(value)


def read_private_key(value: str) -> SecretStr:
    """A private key that can sign for the client."""
    signing_key(value)
    return SecretStr(value)


def _kind(read: Any) -> BeforeValidator:
    """A reader of strings as pydantic knows it; a value that is no string any more is a default or a test's own."""
    return BeforeValidator(lambda value: read(value) if isinstance(value, str) else value)


Url = Annotated[str, _kind(read_url)]
Origins = Annotated[tuple[str, ...], _kind(read_origins)]
NetworkList = Annotated[tuple[str, ...], _kind(read_networks)]
Words = Annotated[tuple[str, ...], _kind(read_list)]
Algorithms = Annotated[tuple[str, ...], _kind(read_algorithms)]
Urls = Annotated[tuple[str, ...], _kind(read_urls)]
PrivateKey = Annotated[SecretStr, _kind(read_private_key)]
RedisUrl = Annotated[SecretStr, _kind(read_redis)]
Rate = Annotated[str, _kind(read_rate)]
Brokers = Annotated[tuple[str, ...], _kind(read_brokers)]
Topic = Annotated[str, _kind(read_topic)]
KafkaClient = Annotated[
    Literal["auto", "pykafka", "confluent"], _kind(choice("auto", "pykafka", "confluent", any_case=False))
]
KafkaProtocol = Annotated[str, _kind(choice(*KAFKA_PROTOCOLS))]
SaslMechanism = Annotated[str, _kind(choice("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"))]
Flag = Annotated[bool, _kind(read_flag)]
Number = Annotated[int, _kind(read_number)]
Port = Annotated[int, _kind(read_port)]
Seconds = Annotated[float, _kind(read_seconds)]
Share = Annotated[float, _kind(read_share)]
Leeway = Annotated[float, _kind(read_leeway)]
LogLevel = Annotated[str, _kind(choice("debug", "info", "warn", "error", aliases={"warning": "warn", "log": "info"}))]
Certificates = Annotated[Path, _kind(read_certificates)]
