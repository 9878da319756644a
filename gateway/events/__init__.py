"""Events for other services, in a Kafka topic: no request waits for Kafka, and sign-in works without it."""

from gateway.events.auth_events import AuthEvents, KafkaAuthEvents, NullAuthEvents
from gateway.events.counts import Counts
from gateway.events.publisher import NullPublisher, Publisher
from gateway.events.session_registry import SessionRegistry
from gateway.events.subject import Subject

__all__ = [
    "AuthEvents",
    "Counts",
    "KafkaAuthEvents",
    "NullAuthEvents",
    "NullPublisher",
    "Publisher",
    "SessionRegistry",
    "Subject",
]
