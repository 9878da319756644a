"""confluent-kafka: any broker, TLS and SASL, headers. librdkafka works in its own threads and retries forever."""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from gevent import monkey

from gateway.events.event import Event
from gateway.events.faults import AccessRefused, Fault, IncompatibleClient, RecordRejected, Unreachable
from gateway.events.transport import Kafka, Report
from gateway.settings_files import pem_of

_SETTINGS: dict[str, Any] = {
    "acks": "all",
    "partitioner": "murmur2_random",  # see gateway.events.murmur2
    # One request at a time for each broker, so that retries keep the order.
    "max.in.flight.requests.per.connection": 1,
    "message.timeout.ms": 0,  # never: the outbox decides when to drop
    "socket.timeout.ms": 10_000,
    "request.timeout.ms": 5_000,
    "reconnect.backoff.ms": 100,
    "reconnect.backoff.max.ms": 2_000,
    "topic.metadata.propagation.max.ms": 3_000,
    "linger.ms": 5,
    "log_level": 0,  # otherwise librdkafka writes to standard error; errors arrive at `error_cb`
}

_REJECTED = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD, KafkaError.RECORD_LIST_TOO_LARGE)

# The settings to check, by librdkafka's code; any other code means that no broker can be used.
_ADVICE: dict[int, tuple[type[Fault], str]] = {
    KafkaError._AUTHENTICATION: (
        AccessRefused,
        "it refuses the user (see KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD, KAFKA_SASL_MECHANISM)",
    ),
    KafkaError._SSL: (AccessRefused, "TLS fails (see KAFKA_SSL_CA, KAFKA_SECURITY_PROTOCOL)"),
    KafkaError.SASL_AUTHENTICATION_FAILED: (AccessRefused, "it refuses the user (see KAFKA_SASL_USERNAME)"),
    KafkaError._UNKNOWN_TOPIC: (AccessRefused, "the topic is not there: create it (see KAFKA_TOPIC)"),
    KafkaError.UNKNOWN_TOPIC_OR_PART: (AccessRefused, "the topic is not there: create it (see KAFKA_TOPIC)"),
    KafkaError.TOPIC_AUTHORIZATION_FAILED: (AccessRefused, "the user may not write to the topic (see KAFKA_TOPIC)"),
    KafkaError._UNSUPPORTED_FEATURE: (IncompatibleClient, "it is too old for this client: set KAFKA_CLIENT=pykafka"),
}


class ConfluentTransport:
    """One librdkafka producer. `patience` is long, because it reconnects automatically and keeps the order."""

    name = "confluent"
    connects = False
    patience = 120.0

    def __init__(self, kafka: Kafka) -> None:
        """Does not connect yet. Raises IncompatibleClient if librdkafka refuses the settings."""
        self.fault: Fault | None = None
        self._topic = kafka.topic
        self._reports: list[Report] = []
        try:
            self._producers = [Producer({**librdkafka_settings(kafka), "error_cb": self._on_error})]
        except KafkaException as error:
            raise IncompatibleClient(f"confluent-kafka does not take the settings: {error.args[0].str()}") from None

    def send(self, events: Sequence[Event]) -> None:
        """Never blocks: librdkafka only queues it."""
        for event in events:
            self._send(event)

    def _send(self, event: Event) -> None:
        def delivered(error: KafkaError | None, message: Message) -> None:
            fault = _fault(error) if error is not None else None
            self._reports.append(Report(event, fault))
            self.fault = None if isinstance(fault, RecordRejected) else fault

        try:
            self._producers[0].produce(
                self._topic, event.value, event.key, headers=list(event.headers), on_delivery=delivered
            )
        except KafkaException as error:  # larger than librdkafka sends
            self._reports.append(Report(event, _fault(error.args[0])))

    def reports(self) -> list[Report]:
        """`poll(0)` calls back at once, for at most a millisecond; a longer poll would block every greenlet."""
        for producer in self._producers:
            producer.poll(0)
        reports, self._reports = self._reports, []
        return reports

    def discard(self) -> None:
        """The end of a producer joins its threads, one of which may be in name resolution: a thread of the system's
        does that, for which nobody waits, at the end of the process neither. It lets go of the last reference and no
        more: `purge` waits for the same threads, and holds Python's lock meanwhile, which stops everything."""
        start_thread = monkey.get_original("_thread", "start_new_thread")
        producers, self._producers = self._producers, []
        start_thread(producers.clear, ())

    def _on_error(self, error: KafkaError) -> None:
        self.fault = _fault(error)


def _fault(error: KafkaError) -> Fault:
    if error.code() in _REJECTED:
        return RecordRejected(error.name())
    kind, text = _ADVICE.get(error.code(), (Unreachable, ""))
    return kind(text or f"no broker can be used ({error.name()})")


def librdkafka_settings(kafka: Kafka) -> dict[str, Any]:
    own: dict[str, Any] = {
        "bootstrap.servers": ",".join(kafka.brokers),
        "client.id": kafka.client_id,
        "security.protocol": kafka.protocol,
    }
    if kafka.mechanism is not None:
        own["sasl.mechanism"] = kafka.mechanism
        own["sasl.username"] = kafka.username or ""
        own["sasl.password"] = kafka.password.get_secret_value() if kafka.password is not None else ""
    if kafka.protocol.endswith("SSL"):
        own |= _trusted(kafka)
    return {**_SETTINGS, **own}


def _trusted(kafka: Kafka) -> dict[str, str]:
    """The trusted certificates: only KAFKA_SSL_CA, otherwise the system's and those of CA_BUNDLE."""
    if kafka.ca is not None:
        return {"ssl.ca.pem": pem_of(kafka.ca)}
    if kafka.ca_bundle is None:
        return {"ssl.ca.location": "probe"}
    system = ssl.get_default_verify_paths()
    files = [path for path in (system.cafile, "/etc/ssl/certs/ca-certificates.crt") if path and os.path.exists(path)]
    return {"ssl.ca.pem": "\n".join(map(pem_of, [kafka.ca_bundle, *map(Path, files[:1])]))}
