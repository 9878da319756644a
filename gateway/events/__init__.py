"""Events for other services, in a Kafka topic: nobody waits for Kafka, and sign-in lives without it."""

from gateway.events.announcer import Announcer, Announces, Silent
from gateway.events.build import announcer_of, publisher_of
from gateway.events.counts import Counts
from gateway.events.publisher import Publisher
from gateway.events.session_registry import SessionRegistry
from gateway.events.subject import Subject

__all__ = [
    "Announcer",
    "Announces",
    "Counts",
    "Publisher",
    "SessionRegistry",
    "Silent",
    "Subject",
    "announcer_of",
    "publisher_of",
]
