"""Which client is used: the one that is asked for, or the one that works."""

from __future__ import annotations

import logging
import warnings

from gateway.events.broker_probe import BrokerProbe
from gateway.events.faults import IncompatibleClient, Unreachable
from gateway.events.transport import Kafka, Transport
from gateway.events.with_confluent import ConfluentTransport

log = logging.getLogger("gateway")

IN_VAIN = 3
"""So many pykafka clients that brought no event through, though the brokers say they would: another one is tried."""


class Clients:
    """Opens transports. With `auto` that is pykafka where all of this hold, else confluent-kafka: the brokers take its
    requests (asked each time, they may be new ones), connections are plain, and it can be imported."""

    def __init__(self, kafka: Kafka, reach: BrokerProbe) -> None:
        self._kafka = kafka
        self._reach = reach
        self._in_vain = 0
        # pykafka splits at the first colon, and knows neither SASL nor a host name's check with TLS.
        fits = kafka.protocol == "PLAINTEXT" and not any("[" in broker for broker in kafka.brokers)
        self._may_be_pykafka = kafka.client == "pykafka" or (kafka.client == "auto" and fits)

    def prepare(self) -> None:
        """Import pykafka where it may be used: 0.2 seconds that no request should wait for. Where it is not installed
        `auto` is confluent-kafka, and one line says so."""
        if not self._may_be_pykafka:
            return
        fault = _pykafka_fault()
        if fault is not None and self._kafka.client == "auto":
            log.info("Kafka: pykafka cannot be imported (%s), confluent-kafka is used", fault)
            self._may_be_pykafka = False

    def open(self) -> Transport:
        """A new client. Unreachable, IncompatibleClient, or another Fault."""
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
        """The last one brought an event through."""
        self._in_vain = 0


def _pykafka_fault() -> str | None:
    """Why pykafka cannot be imported."""
    for name in ("pykafka", "kazoo"):  # each outage is a page of tracebacks there, and one line here
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pkg_resources says that it will go
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
