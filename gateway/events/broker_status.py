"""The status of Kafka: one log line for each change, and the value for `/health`."""

from __future__ import annotations

import logging

from gateway.events.faults import Fault

log = logging.getLogger("gateway.events")


class BrokerStatus:
    """The publisher reports what happens; each change is logged once."""

    def __init__(self, place: str) -> None:
        """`place`: the brokers' name in the log."""
        self._place = place
        self._fault: Fault | None = None
        self._said: set[str] = set()  # in this outage
        self._said_full = False
        self._through: str | None = None

    def ill(self, *, waiting: bool) -> bool:
        """Whether events are known not to be delivered; `waiting`: whether there are any."""
        return self._fault is not None and (waiting or self._fault.lasting)

    def opened(self, *, proven: bool) -> None:
        """A new client was opened; `proven`: and it can use a broker."""
        if proven:
            self._fault = None

    def fails(self, fault: Fault) -> None:
        """Events are not delivered."""
        self._fault = fault
        if str(fault) not in self._said:
            self._said.add(str(fault))
            log.error("Kafka (KAFKA_BROKERS, %s): %s; events wait", self._place, fault)

    def flows(self, name: str) -> None:
        """An event was acknowledged, through the client of this name."""
        self._fault = None
        if self._said or self._said_full or self._through != name:
            self._said, self._through, self._said_full = set(), name, False
            log.info("Kafka (KAFKA_BROKERS, %s): events flow, through %s", self._place, name)

    def full(self, count: int) -> None:
        """The queue is full with this number of events."""
        if not self._said_full:
            self._said_full = True
            log.error("Kafka: %d events wait, each new event now drops the oldest", count)

    def rejected(self, fault: Fault, size: int) -> None:
        """An event of `size` bytes is lost."""
        log.error(
            "Kafka: an event of %d bytes was refused permanently, and is lost (%s): see the topic's max.message.bytes",
            size, fault,
        )  # fmt: skip
