"""Chooses the client: the configured one, or the one that works."""

from __future__ import annotations

import logging
import warnings

from gateway.events.broker_probe import BrokerProbe
from gateway.events.faults import IncompatibleClient, Unreachable
from gateway.events.transport import Kafka, Transport
from gateway.events.with_confluent import ConfluentTransport

log = logging.getLogger("gateway")

IN_VAIN = 3
"""The number of pykafka clients without a delivered event after which the other client is tried."""


class Clients:
    """Opens transports. `auto` uses pykafka if all of this is true, otherwise confluent-kafka: the brokers support its
    requests (checked each time, because they may have been upgraded), connections are plain, and it can be imported."""

    def __init__(self, kafka: Kafka, reach: BrokerProbe) -> None:
        self._kafka = kafka
        self._reach = reach
        self._in_vain = 0
        # pykafka splits at the first colon, and supports neither SASL nor host name verification with TLS.
        fits = kafka.protocol == "PLAINTEXT" and not any("[" in broker for broker in kafka.brokers)
        self._may_be_pykafka = kafka.client == "pykafka" or (kafka.client == "auto" and fits)

    def prepare(self) -> None:
        """Import pykafka if it may be used, which takes 0.2 seconds and must not delay a request. If it is not
        installed, `auto` uses confluent-kafka, and a log line says so."""
        if not self._may_be_pykafka:
            return
        fault = _pykafka_fault()
        if fault is not None and self._kafka.client == "auto":
            log.info("Kafka: pykafka cannot be imported (%s), confluent-kafka is used", fault)
            self._may_be_pykafka = False

    def open(self) -> Transport:
        """A new client. Raises Unreachable, IncompatibleClient, or another Fault."""
        if not self._may_be_pykafka:
            return ConfluentTransport(self._kafka)
        takes = self._reach.takes_first_versions()
        if takes is None:
            raise Unreachable("no broker answers")
        if takes and (self._kafka.client == "pykafka" or self._in_vain < IN_VAIN):
            self._in_vain += 1
            return _open_pykafka(self._kafka)
        if self._kafka.client == "pykafka":
            raise IncompatibleClient(
                "a broker does not take what pykafka sends, as from Kafka 4: set KAFKA_CLIENT=confluent or auto"
            )
        return ConfluentTransport(self._kafka)

    def worked(self) -> None:
        """The last client has delivered an event."""
        self._in_vain = 0


def _pykafka_fault() -> str | None:
    """Why pykafka cannot be imported."""
    for name in ("pykafka", "kazoo"):  # it would log a page of tracebacks for each outage
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pkg_resources warns of its removal
            import gateway.events.with_pykafka  # noqa: F401
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def _open_pykafka(kafka: Kafka) -> Transport:
    fault = _pykafka_fault()
    if fault is not None:
        raise IncompatibleClient(f"pykafka cannot be imported here ({fault}): set KAFKA_CLIENT=confluent")
    from gateway.events.with_pykafka import PykafkaTransport

    return PykafkaTransport(kafka)
