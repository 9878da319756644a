"""The clients: which one is used, what brokers take, and in which partition a user's events lie."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from struct import pack
from typing import Any

import gevent
import pytest
from confluent_kafka import KafkaError, Message, Producer
from gevent.server import StreamServer
from harness.kafka import MockKafka, hanging_broker
from harness.ports import free_port
from harness.repository import ROOT

from gateway.events.broker_probe import BrokerProbe
from gateway.events.clients import IN_VAIN, Clients
from gateway.events.event import Event
from gateway.events.faults import IncompatibleClient, Unreachable
from gateway.events.murmur2 import murmur2, to_positive
from gateway.events.transport import Kafka

# What org.apache.kafka.common.utils.UtilsTest holds Java to.
OF_JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.fixture(scope="module")
def mock() -> Iterator[MockKafka]:
    with MockKafka() as running:
        yield running


@pytest.mark.parametrize(("key", "expected"), OF_JAVA.items())
def test_murmur2_is_that_of_java(key: bytes, expected: int) -> None:
    assert murmur2(key) == expected % (1 << 32)


def test_both_clients_choose_the_same_partition(mock: MockKafka) -> None:
    producer = Producer({"bootstrap.servers": mock.brokers, "partitioner": "murmur2_random", "log_level": 0})
    chosen: dict[bytes, int] = {}
    keys = [f"{number:x}-of-user-é".encode() for number in range(300)]

    def delivered(_: KafkaError | None, message: Message) -> None:
        name, partition = message.key(), message.partition()
        assert name is not None and partition is not None
        chosen[name] = partition

    for key in keys:
        producer.produce("chosen", b"", key, on_delivery=delivered)
    producer.flush(10)
    partitions = len(producer.list_topics("chosen").topics["chosen"].partitions)
    assert partitions > 1 and chosen == {key: to_positive(key) % partitions for key in keys}


def versions(**firsts: int) -> bytes:
    """An answer to ApiVersions: the first version of each request."""
    names = {"produce": 0, "fetch": 1}
    rows = b"".join(pack("!hhh", names[name], first, 13) for name, first in firsts.items())
    return framed(pack("!hi", 0, len(firsts)) + rows)


def framed(content: bytes) -> bytes:
    return pack("!ii", 4 + len(content), 0) + content


def broker(*answers: bytes) -> Callable[[Any, Any], None]:
    """Gives one answer after the other, then closes."""

    def serve(connection: Any, address: Any) -> None:
        for answer in answers:
            connection.recv(1000)
            connection.sendall(answer)
        connection.recv(1000)

    return serve


@pytest.fixture
def served() -> Iterator[Callable[..., str]]:
    """`host:port` of brokers that answer so."""
    servers: list[StreamServer] = []

    def serve(*answers: bytes) -> str:
        servers.append(StreamServer(("127.0.0.1", 0), broker(*answers)))
        servers[-1].start()
        return f"127.0.0.1:{servers[-1].server_port}"

    yield serve
    for server in servers:
        server.stop(1)


OLD = (versions(produce=0, fetch=0), framed(pack("!i", 0)))
NEW = (versions(produce=0, fetch=4),)
STRANGE = (versions(produce=0, fetch=0),)


class TestReach:
    @pytest.mark.parametrize(
        ("answers", "expected"),
        [
            ([OLD], True),
            ([NEW], False),
            ([STRANGE], False),
            ([OLD, NEW], False),
            ([NEW, OLD], False),
            ([(b"",), OLD], True),
            ([()], None),
            ([(b"HTTP/1.1 400 Bad Request\r\n\r\n",)], None),
            ([(framed(pack("!hi", 35, 0)),)], None),
            ([(framed(pack("!hi", 0, 1000)),)], None),
        ],
        ids=["old", "new", "closes at Produce", "one new", "one old", "one mute", "mute", "http", "error", "cut"],
    )
    def test_the_probe_finds_what_brokers_take(
        self, served: Callable[..., str], answers: list[tuple[bytes, ...]], expected: bool | None
    ) -> None:
        reach = BrokerProbe(tuple(served(*each) for each in answers), None)
        assert reach.takes_first_versions() is expected
        assert reach.any_answers() is (expected is not None)

    def test_librdkafkas_broker_takes_pykafkas_requests(self, mock: MockKafka) -> None:
        assert BrokerProbe((mock.brokers,), None).takes_first_versions() is True

    def test_without_a_broker_the_probe_finds_nothing(self) -> None:
        reach = BrokerProbe((f"127.0.0.1:{free_port()}",), None)
        assert reach.takes_first_versions() is None and not reach.any_answers()

    def test_the_probe_of_a_hanging_broker_ends(self) -> None:
        """Who asks meanwhile starts no second question."""
        with hanging_broker() as brokers:
            reach = BrokerProbe((brokers,), None)
            began = time.monotonic()
            asked = [gevent.spawn(reach.any_answers) for _ in range(20)]
            gevent.joinall(asked)
            assert [ask.value for ask in asked] == [False] * 20
            assert time.monotonic() - began < 10

    def test_one_that_answers_is_enough(self, mock: MockKafka) -> None:
        reach = BrokerProbe((f"127.0.0.1:{free_port()}", mock.brokers), None)
        assert reach.any_answers() and reach.any_answers()


def kafka(brokers: str, client: Any = "auto", protocol: str = "PLAINTEXT") -> Kafka:
    return Kafka(tuple(brokers.split(",")), "auth-events", "api-gateway", client, protocol)


def opened(settings: Kafka, count: int = 1) -> list[str]:
    """The names of so many transports, none of which brought an event through."""
    clients = Clients(settings, BrokerProbe(settings.brokers, None))
    clients.prepare()
    names = []
    for _ in range(count):
        transport = clients.open()
        names.append(transport.name)
        transport.discard()
    return names


class TestChoice:
    def test_auto_takes_pykafka_where_that_works(self, mock: MockKafka) -> None:
        assert opened(kafka(mock.brokers)) == ["pykafka"]

    def test_auto_takes_confluent_for_new_brokers(self, served: Callable[..., str]) -> None:
        assert opened(kafka(served(*NEW))) == ["confluent"]

    @pytest.mark.parametrize("client", ["auto", "confluent"])
    def test_what_pykafka_can_not_is_not_asked_of_it(self, client: str) -> None:
        assert opened(kafka("127.0.0.1:1", client, "SSL")) == ["confluent"]
        assert opened(kafka("[::1]:1", client)) == ["confluent"]

    def test_auto_tries_the_other_where_pykafka_brings_nothing_through(self, mock: MockKafka) -> None:
        assert opened(kafka(mock.brokers), IN_VAIN + 1) == ["pykafka"] * IN_VAIN + ["confluent"]

    def test_auto_waits_for_a_broker(self) -> None:
        with pytest.raises(Unreachable):
            opened(kafka(f"127.0.0.1:{free_port()}"))

    def test_pykafka_refuses_new_brokers_by_the_settings_name(self, served: Callable[..., str]) -> None:
        with pytest.raises(IncompatibleClient, match="KAFKA_CLIENT=confluent"):
            opened(kafka(served(*NEW), "pykafka"))

    @pytest.mark.parametrize("client", ["auto", "pykafka"])
    def test_confluent_serves_where_pykafka_can_not_be_imported(self, mock: MockKafka, client: str) -> None:
        """As on a Python without `pkg_resources`."""
        program = (
            "import sys; sys.path[:0] = ['tests', 'tests/events', '']; sys.modules['pkg_resources'] = None\n"
            "from test_kafka_clients import kafka, opened\n"
            f"print(opened(kafka({mock.brokers!r}, {client!r})))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=60)
        if client == "auto":
            assert (done.stdout, done.returncode) == ("['confluent']\n", 0), done.stderr
        else:
            assert "IncompatibleClient" in done.stderr and "KAFKA_CLIENT=confluent" in done.stderr


def test_confluent_refuses_settings_it_does_not_know() -> None:
    with pytest.raises(IncompatibleClient, match="confluent-kafka does not take"):
        opened(kafka("127.0.0.1:1", "confluent", "NONE"))


@pytest.mark.parametrize("client", ["pykafka", "confluent"])
def test_an_event_goes_through(mock: MockKafka, client: str) -> None:
    settings = kafka(mock.brokers, client)
    clients = Clients(settings, BrokerProbe(settings.brokers, None))
    transport = clients.open()
    event = Event("user.logged_out", "user-é", {"sessionId": "s", "logoutReason": "user_action"}, "00-a-b-01")
    transport.send([event])
    due = time.monotonic() + 10
    while not (reports := transport.reports()):
        assert time.monotonic() < due
        gevent.sleep(0.01)
    assert [(report.event, report.fault) for report in reports] == [(event, None)]
    transport.discard()
    transport.discard()
    assert event.id in {message.event["eventId"] for message in mock.reader.new()}
