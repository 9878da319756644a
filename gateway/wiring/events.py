"""The events for other services."""

from __future__ import annotations

import ssl

from gateway.config import Settings
from gateway.events import (
    AuthEvents,
    Counts,
    KafkaAuthEvents,
    NullAuthEvents,
    NullPublisher,
    Publisher,
    SessionRegistry,
)
from gateway.events.broker_probe import BrokerProbe
from gateway.events.broker_status import BrokerStatus
from gateway.events.kafka_publisher import CAPACITY, KafkaPublisher
from gateway.events.transport import Kafka
from gateway.store import Store
from gateway.transport import tls_context


def publisher(settings: Settings, counts: Counts) -> Publisher:
    """Publishes to KAFKA_BROKERS; without them to nobody. Connects to nothing."""
    if not settings.kafka_brokers:
        return NullPublisher()
    from gateway.events.clients import Clients  # librdkafka takes 5 MB per worker: loaded only if it is used

    kafka = kafka_of(settings)
    probe = BrokerProbe(kafka.brokers, broker_tls(kafka))
    status = BrokerStatus(",".join(kafka.brokers))
    return KafkaPublisher(Clients(kafka, probe), probe, counts, status, CAPACITY)


def kafka_of(settings: Settings) -> Kafka:
    """Where events go."""
    return Kafka(
        brokers=settings.kafka_brokers,
        topic=settings.kafka_topic,
        client_id=settings.kafka_client_id,
        client=settings.kafka_client,
        protocol=settings.kafka_security_protocol,
        mechanism=settings.kafka_sasl_mechanism,
        username=settings.kafka_sasl_username,
        password=settings.kafka_sasl_password,
        ca=settings.kafka_ssl_ca,
        ca_bundle=settings.ca_bundle,
    )


def broker_tls(kafka: Kafka) -> ssl.SSLContext | None:
    """Whom to believe on connections to brokers; None for plain ones."""
    return tls_context(kafka.ca or kafka.ca_bundle) if kafka.protocol.endswith("SSL") else None


def auth_events(settings: Settings, publisher: Publisher, store: Store) -> AuthEvents:
    """Publishes the events of sessions; without KAFKA_BROKERS it does nothing and stores nothing."""
    return KafkaAuthEvents(publisher, SessionRegistry(store)) if settings.kafka_brokers else NullAuthEvents()
