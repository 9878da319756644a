"""What a client library has to do for the publisher."""

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
    """Where events go. `brokers` are `host:port`; `protocol` as Kafka names it (`PLAINTEXT`, `SASL_SSL`, …); `ca` is a
    PEM file, None for the system's certificates and those of `ca_bundle`."""

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
    """What became of an event: acknowledged, or `fault`."""

    event: Event
    fault: Fault | None


class Transport(Protocol):
    """One client, until it is discarded: used by one greenlet, never blocking the others."""

    @property
    def name(self) -> str:
        """As `KAFKA_CLIENT` names it."""

    @property
    def connects(self) -> bool:
        """Whether opening it shows that a broker can be used."""

    @property
    def patience(self) -> float:
        """Seconds without a report after which it can not be waited for any more."""

    @property
    def fault(self) -> Fault | None:
        """What the client itself says is wrong, while it goes on trying."""

    def send(self, events: Sequence[Event]) -> None:
        """Hand over a batch; the reports of the one before have all come. Any exception: throw the client away."""

    def reports(self) -> list[Report]:
        """What became of events since the last time; does not wait."""

    def discard(self) -> None:
        """Throw it away with all it has; never raises, never waits long."""
