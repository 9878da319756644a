"""Kafka: brokers, versions, the topic; one event only where that is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from time import monotonic
from typing import Any

import gevent

from gateway.clock import timestamp
from gateway.doctor.deployment import Deployment
from gateway.doctor.finding import Finding, bad, good, questionable, unknown
from gateway.wiring.events import broker_tls, kafka_of

METADATA_SECONDS = 4.0
DELIVERY_SECONDS = 6.0
EVENT_TYPE = "gateway.doctor"


def kafka(deployment: Deployment) -> Iterator[Finding]:
    """Each question only where the one before was answered."""
    if not deployment.settings.kafka_brokers:
        return
    from gateway.events.broker_probe import BrokerProbe

    brokers = ", ".join(deployment.settings.kafka_brokers)
    probe = BrokerProbe(deployment.settings.kafka_brokers, broker_tls(kafka_of(deployment.settings)))
    first = probe.takes_first_versions()
    if first is None:
        yield bad(
            "Kafka",
            f"no broker answers at {brokers} (KAFKA_BROKERS)",
            "one of them answers",
            "start Kafka, allow the connection (firewall), correct KAFKA_BROKERS; where it wants TLS,"
            " KAFKA_SECURITY_PROTOCOL",
        )
        return
    if deployment.settings.kafka_client == "pykafka" and not first:
        yield bad(
            "Kafka's version",
            "the brokers do not take what pykafka sends (Kafka 4)",
            "brokers up to 3.9",
            "set KAFKA_CLIENT=confluent or auto",
        )
        return
    yield good("Kafka", f"answers at {brokers}")
    yield from _topic(deployment)


def _topic(deployment: Deployment) -> Iterator[Finding]:
    """What librdkafka learns, and what an advertised address that cannot be reached hides."""
    from confluent_kafka import KafkaException, Producer

    from gateway.events.with_confluent import librdkafka_settings

    topic = deployment.settings.kafka_topic
    try:
        producer = Producer(librdkafka_settings(kafka_of(deployment.settings)))
        found: Any = gevent.get_hub().threadpool.apply(_topics, (producer,))
    except KafkaException as error:
        yield bad(
            "Kafka's metadata",
            f"not read: {error.args[0].name()}",
            "brokers and topics",
            "KAFKA_SASL_*, KAFKA_SSL_CA, KAFKA_SECURITY_PROTOCOL as the brokers want them; `advertised.listeners` of"
            " each broker has to be an address that this machine reaches",
        )
        return
    partitions = found.get(topic)
    if partitions is None:
        yield questionable(
            "Kafka's topic",
            f"{topic} is not there",
            "it exists (KAFKA_TOPIC)",
            f"create it (`kafka-topics.sh --create --topic {topic}`), or set auto.create.topics.enable",
        )
    else:
        yield good("Kafka's topic", f"{topic}, {partitions} partitions")
    if deployment.produces:
        yield _delivered(producer, topic)
    else:
        yield unknown("Kafka's rights", "only an event shows whether it may be written", "--produce sends one")


def _topics(producer: Any) -> dict[str, int]:
    """Topic → how many partitions."""
    metadata = producer.list_topics(timeout=METADATA_SECONDS)
    return {name: len(topic.partitions) for name, topic in metadata.topics.items() if topic.error is None}


def _delivered(producer: Any, topic: str) -> Finding:
    said: list[Any] = []
    event = {"eventId": "doctor", "eventType": EVENT_TYPE, "timestamp": timestamp(), "userId": "doctor", "data": {}}
    producer.produce(topic, json.dumps(event).encode(), b"doctor", on_delivery=lambda error, _: said.append(error))
    due = monotonic() + DELIVERY_SECONDS
    while not said and monotonic() < due:
        producer.poll(0)
        gevent.sleep(0.02)
    if said and said[0] is None:
        return good("Kafka's rights", f"one event of type {EVENT_TYPE} was written to {topic}")
    why = said[0].name() if said else "no answer in time"
    return bad(
        "Kafka's rights", f"an event was not taken: {why}", "it is written", "the user's rights to the topic (Write)"
    )


CHECKS = (kafka,)
