"""pykafka: brokers up to Kafka 3.9, without TLS, SASL and headers. Its client id is always `pykafka`."""

from __future__ import annotations

from collections.abc import Sequence
from queue import Empty
from typing import Any

import gevent
from pykafka.cluster import Cluster
from pykafka.exceptions import (
    InvalidMessageSize,
    MessageSizeTooLarge,
    TopicAuthorizationFailed,
    UnknownTopicOrPartition,
)
from pykafka.partitioners import HashingPartitioner
from pykafka.producer import Producer

from gateway.events.event import Event
from gateway.events.faults import AccessRefused, AckTimeout, Fault, RecordRejected, Unreachable
from gateway.events.greenlets import Greenlets, discard
from gateway.events.murmur2 import to_positive
from gateway.events.transport import Kafka, Report

PYKAFKA_SOCKET_SECONDS = 5.0
BUILD_SECONDS = 30.0
"""Longer than a connection, the creation of a topic and its metadata take; pykafka itself would ask forever."""

_SETTINGS: dict[str, Any] = {
    "required_acks": -1,
    "ack_timeout_ms": 5_000,
    "linger_ms": 5,  # 0 is a busy loop
    "min_queued_messages": 1,
    "queue_empty_timeout_ms": -1,
    "max_queued_messages": 100_000,
    "block_on_queue_full": False,
    "max_retries": 0,  # its own retries lose the order
    "delivery_reports": True,
}

_ADVICE: dict[type[Exception], tuple[type[Fault], str]] = {
    UnknownTopicOrPartition: (AccessRefused, "the topic is not there: create it (see KAFKA_TOPIC)"),
    TopicAuthorizationFailed: (AccessRefused, "the gateway may not write to the topic (see KAFKA_TOPIC)"),
    MessageSizeTooLarge: (RecordRejected, "MessageSizeTooLarge"),
    InvalidMessageSize: (RecordRejected, "InvalidMessageSize"),
}


class PykafkaTransport:
    """One pykafka producer, used only by the greenlet that created it: pykafka stores the reports per thread."""

    name = "pykafka"
    connects = True
    patience = PYKAFKA_SOCKET_SECONDS + 3.0
    fault: Fault | None = None

    def __init__(self, kafka: Kafka) -> None:
        """Connects, and lets the broker create the topic if it does that. Raises a Fault, after a cleanup."""
        self._handler = Greenlets()
        self._cluster: Any = None
        self._producer: Any = None
        self._sent: dict[int, tuple[Any, Event]] = {}
        try:
            with gevent.Timeout(BUILD_SECONDS, AckTimeout("a broker does not answer in time")):
                self._build(kafka)
        except Fault:
            self.discard()
            raise
        except Exception as error:
            self.discard()
            raise _fault(error) from None
        except BaseException:
            self.discard()
            raise

    def _build(self, kafka: Kafka) -> None:
        self._cluster = Cluster(
            ",".join(kafka.brokers), self._handler, socket_timeout_ms=int(PYKAFKA_SOCKET_SECONDS * 1000)
        )
        topic = self._cluster.topics[kafka.topic]
        self._producer = Producer(self._cluster, topic, partitioner=HashingPartitioner(to_positive), **_SETTINGS)

    def send(self, events: Sequence[Event]) -> None:
        """pykafka sends all events for one broker in one request, when this greenlet waits the next time."""
        for event in events:
            message = self._producer.produce(event.value, partition_key=event.key)
            self._sent[id(message)] = message, event

    def reports(self) -> list[Report]:
        reports: list[Report] = []
        while True:
            try:
                message, error = self._producer.get_delivery_report(block=False)
            except Empty:
                return reports
            _, event = self._sent.pop(id(message), (None, None))
            if event is not None:
                reports.append(Report(event, _fault(error) if error is not None else None))

    def discard(self) -> None:
        discard(self._handler, self._cluster, self._producer)


def _fault(error: Exception) -> Fault:
    kind, text = _ADVICE.get(type(error), (Unreachable, ""))
    if text:
        return kind(text)
    return Unreachable(f"no broker can be used ({type(error).__name__})")
