"""The interface of a client library for the publisher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pydantic import SecretStr

from gateway.events.event import Event
from gateway.events.faults import Fault

Client = Literal["auto", "pykafka", "confluent"]


@dataclass(frozen=True, slots=True)
class Kafka:
    """The connection to Kafka. `brokers` are `host:port`; `protocol` is Kafka's name (`PLAINTEXT`, `SASL_SSL`, …); `ca`
    is a PEM file, None for the system's certificates and those of `ca_bundle`."""

    brokers: tuple[str, ...]
    topic: str
    client_id: str
    client: Client
    protocol: str
    mechanism: str | None = None
    username: str | None = None
    password: SecretStr | None = None
    ca: Path | None = None
    ca_bundle: Path | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The result of an event: acknowledged, or `fault`."""

    event: Event
    fault: Fault | None


class Transport(Protocol):
    """One client, until it is discarded: used by one greenlet, never blocks the others."""

    @property
    def name(self) -> str:
        """Its name in `KAFKA_CLIENT`."""

    @property
    def connects(self) -> bool:
        """Whether opening it proves that a broker can be used."""

    @property
    def patience(self) -> float:
        """Seconds without a report after which it is given up."""

    @property
    def fault(self) -> Fault | None:
        """The failure that the client itself reports, while it continues to try."""

    def send(self, events: Sequence[Event]) -> None:
        """Send a batch, after all reports of the previous one. After any exception the client must be discarded."""

    def reports(self) -> list[Report]:
        """The results of events since the last call; does not wait."""

    def discard(self) -> None:
        """Discard the client with all its events; never raises, never waits long."""
