"""A Kafka without a server: librdkafka's own broker; a consumer that reads whatever broker there is; and no broker."""

import json
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from jsonschema import Draft202012Validator

from harness.lifetime import Lifetime
from harness.repository import ROOT

TOPIC = "auth-events"
SCHEMAS = ROOT / "deploy" / "events"

_EAGER = {
    "group.id": "tests",
    "enable.auto.commit": False,
    "fetch.wait.max.ms": 10,
    "fetch.queue.backoff.ms": 10,
    "fetch.error.backoff.ms": 10,
    "reconnect.backoff.max.ms": 500,
    "log_level": 0,
}


@cache
def schema(kind: str) -> Draft202012Validator:
    """The shipped schema of a kind of event."""
    content = json.loads((SCHEMAS / f"{kind}.json").read_text())
    Draft202012Validator.check_schema(content)
    return Draft202012Validator(content, format_checker=Draft202012Validator.FORMAT_CHECKER)


@dataclass(frozen=True)
class Message:
    """One message as it was read; its value was found to be as the schema says."""

    raw: bytes
    key: str
    event: dict[str, Any]
    headers: dict[str, str]
    partition: int

    @property
    def kind(self) -> str:
        return str(self.event["eventType"])

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.event["data"]
        return data

    @property
    def summary(self) -> tuple[str, str]:
        """What happened, in two words; the second is empty where an event says no how or why."""
        return self.kind, self.data.get("authMethod") or self.data.get("logoutReason", "")


class Reader:
    """An independent consumer of all partitions of a topic, from its beginning on."""

    def __init__(self, brokers: str, topic: str = TOPIC) -> None:
        self.topic = topic
        self._consumer = Consumer({"bootstrap.servers": brokers, **_EAGER})
        self._next: dict[int, int] = {}

    def close(self) -> None:
        self._consumer.close()

    def new(self, timeout: float = 10) -> list[Message]:
        """What came since the last time, each partition's in order; nothing while there is no topic."""
        ends = self._ends(timeout)
        if ends.keys() - self._next.keys():
            self._next = {partition: self._next.get(partition, 0) for partition in ends}
            self._consumer.assign([TopicPartition(self.topic, p, at) for p, at in self._next.items()])
        found = []
        due = time.monotonic() + timeout
        while any(self._next[partition] < end for partition, end in ends.items()):
            assert time.monotonic() < due, f"the topic could not be read to its end in {timeout} s"
            message = self._consumer.poll(0.1)
            if message is not None and message.error() is None:
                partition, offset = message.partition(), message.offset()
                assert partition is not None and offset is not None
                self._next[partition] = offset + 1
                found.append(checked(message))
        return found

    def wait(self, count: int, timeout: float = 15) -> list[Message]:
        """New ones until there are so many; AssertionError where they do not come, or more do."""
        found = self.new()
        due = time.monotonic() + timeout
        while len(found) < count:
            shown = [message.summary for message in found]
            assert time.monotonic() < due, f"{len(found)} of {count} events in {timeout} s: {shown}"
            time.sleep(0.05)
            found += self.new()
        assert len(found) == count, [message.event for message in found]
        return found

    def _ends(self, timeout: float) -> dict[int, int]:
        try:
            topics = self._consumer.list_topics(timeout=timeout).topics
            if self.topic not in topics:
                return {}
            return {
                partition: self._consumer.get_watermark_offsets(TopicPartition(self.topic, partition), timeout)[1]
                for partition in topics[self.topic].partitions
            }
        except KafkaException:
            return {}


def checked(message: Any) -> Message:
    event = json.loads(message.value())
    schema(event["eventType"]).validate(event)
    key = message.key().decode()
    assert key == event["userId"]
    headers = {name: value.decode() for name, value in message.headers() or []}
    return Message(message.value(), key, event, headers, message.partition())


class MockKafka(Lifetime):
    """Runs in this process as long as the `with` does."""

    def start(self) -> None:
        self._producer = Producer({"test.mock.num.brokers": 1, "log_level": 0})
        (broker,) = self._producer.list_topics(timeout=10).brokers.values()
        self.port = broker.port
        self.brokers = f"127.0.0.1:{broker.port}"
        self.reader = Reader(self.brokers)

    def stop(self) -> None:
        if reader := vars(self).pop("reader", None):
            reader.close()
        vars(self).pop("_producer", None)


@contextmanager
def hanging_broker() -> Iterator[str]:
    """A port where connections are taken, and nothing ever comes back."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def in_order(read: Sequence[tuple[str, str]], sent: Sequence[tuple[str, str]]) -> bool:
    """Whether each user's events, (user, name), were read in the order in which they were sent; of one that was read
    twice the first counts."""
    place = {event: number for number, event in reversed(list(enumerate(read)))}
    last: dict[str, int] = {}
    for event in sent:
        if event not in place or place[event] < last.get(event[0], -1):
            return False
        last[event[0]] = place[event]
    return True
