"""The types of settings, each with its parser of strings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, SecretStr

from gateway.config.address_parsers import read_brokers, read_origins, read_redis, read_url, read_urls
from gateway.config.parsers import (
    KAFKA_PROTOCOLS,
    choice,
    read_algorithms,
    read_certificates,
    read_flag,
    read_leeway,
    read_list,
    read_networks,
    read_number,
    read_port,
    read_private_key,
    read_rate,
    read_seconds,
    read_share,
    read_topic,
)


def _kind(read: Any) -> BeforeValidator:
    """A parser of strings for pydantic; a value that is not a string is a default, or comes from a test."""
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
