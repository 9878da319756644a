"""The engines of events, by the settings."""

from __future__ import annotations

from gateway.config import Settings
from gateway.events.announcer import Announcer, Announces, Silent
from gateway.events.broker_probe import BrokerProbe
from gateway.events.broker_status import BrokerStatus
from gateway.events.counts import Counts
from gateway.events.publisher import CAPACITY, KafkaPublisher, NullPublisher, Publisher
from gateway.events.session_registry import SessionRegistry, SessionRegistryStore
from gateway.events.transport import Kafka
from gateway.transport import tls_context


def publisher_of(settings: Settings, counts: Counts) -> Publisher:
    """Publishes to KAFKA_BROKERS; without them events go nowhere."""
    if not settings.kafka_brokers:
        return NullPublisher()
    from gateway.events.clients import Clients  # librdkafka is 5 MB of a worker: only for who uses it

    kafka = Kafka(
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
    tls = tls_context(kafka.ca or kafka.ca_bundle) if kafka.protocol.endswith("SSL") else None
    reach = BrokerProbe(kafka.brokers, tls)
    return KafkaPublisher(Clients(kafka, reach), reach, counts, BrokerStatus(",".join(kafka.brokers)), CAPACITY)


def announcer_of(settings: Settings, publisher: Publisher, store: SessionRegistryStore) -> Announces:
    """Tells other services through the publisher; nobody, and keeps nothing in the store, where there is no Kafka."""
    return Announcer(publisher, SessionRegistry(store)) if settings.kafka_brokers else Silent()
