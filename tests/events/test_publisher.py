"""The publisher by itself: what becomes of events when clients die, refuse and are silent. Nothing here is Kafka."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence

import gevent
import pytest

from gateway.events.broker_status import BrokerStatus
from gateway.events.event import Event
from gateway.events.faults import AccessRefused, Fault, IncompatibleClient, RecordRejected, Unreachable
from gateway.events.kafka_publisher import KafkaPublisher
from gateway.events.outbox import Outbox
from gateway.events.transport import Report


class Broker:
    """What arrived, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    @property
    def users(self) -> list[str]:
        return [event.user_id for event in self.events]


class Good:
    """A client that works; the others are spoilt ones."""

    name = "good"
    connects = True
    patience = 5.0
    fault: Fault | None = None

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.reported: list[Report] = []
        self.discarded = False
        self.batches: list[int] = []

    def send(self, events: Sequence[Event]) -> None:
        self.batches.append(len(events))
        for event in events:
            self.take(event)

    def take(self, event: Event) -> None:
        self.broker.events.append(event)
        self.reported.append(Report(event, None))

    def reports(self) -> list[Report]:
        reported, self.reported = self.reported, []
        return reported

    def discard(self) -> None:
        self.discarded = True


class DiesAfter(Good):
    """Acknowledges so many events, then fails all others, of which the broker may have some."""

    def __init__(self, broker: Broker, count: int) -> None:
        super().__init__(broker)
        self.count = count

    def take(self, event: Event) -> None:
        if self.count > 0:
            self.count -= 1
            super().take(event)
            return
        self.reported.append(Report(event, Unreachable("died")))


class RaisesAfterSending(Good):
    def send(self, events: Sequence[Event]) -> None:
        for event in events:
            self.broker.events.append(event)
        raise ReferenceError("as pykafka does")


class Silent(Good):
    patience = 0.2

    def take(self, event: Event) -> None:
        pass


class Narrow(Good):
    """Refuses batches with a large event in them, and all of more than so many events."""

    def __init__(self, broker: Broker, most: int = 1000) -> None:
        super().__init__(broker)
        self.most = most

    def send(self, events: Sequence[Event]) -> None:
        self.batches.append(len(events))
        if len(events) > self.most or any(event.user_id == "large" for event in events):
            self.reported += [Report(event, RecordRejected("MSG_SIZE_TOO_LARGE")) for event in events]
            return
        for event in events:
            self.take(event)


Make = Callable[[Broker], Good]


class Clients:
    """Makes one client after the other, the last of them again and again; a Fault is raised."""

    def __init__(self, broker: Broker, *makes: Make | Fault) -> None:
        self.broker = broker
        self.makes = list(makes)
        self.made: list[Good] = []
        self.opened = 0

    def prepare(self) -> None: ...

    def open(self) -> Good:
        self.opened += 1
        make = self.makes.pop(0) if len(self.makes) > 1 else self.makes[0]
        if isinstance(make, Fault):
            raise make
        self.made.append(make(self.broker))
        return self.made[-1]

    def worked(self) -> None: ...


class BrokerProbe:
    answers = True

    def any_answers(self) -> bool:
        return self.answers


class Counted:
    def __init__(self) -> None:
        self.of = {"sent": 0, "failed": 0, "dropped": 0}
        self.waiting = 0

    def sent(self, n: int) -> None:
        self.of["sent"] += n

    def failed(self, n: int) -> None:
        self.of["failed"] += n

    def dropped(self, n: int) -> None:
        self.of["dropped"] += n

    def queued(self, n: int) -> None:
        self.waiting = n


class Stage:
    def __init__(self, *makes: Make | Fault, capacity: int = 1000) -> None:
        self.broker = Broker()
        self.clients = Clients(self.broker, *makes)
        self.counts = Counted()
        self.reach = BrokerProbe()
        self.publisher = KafkaPublisher(self.clients, self.reach, self.counts, BrokerStatus("here:9092"), capacity)

    def publish(self, *users: str) -> list[Event]:
        events = [Event("user.logged_out", user, {}, "") for user in users]
        for event in events:
            self.publisher.publish(event)
        return events

    def until(self, probe: Callable[[], object], timeout: float = 10) -> None:
        due = time.monotonic() + timeout
        while not probe():
            assert time.monotonic() < due, (self.broker.users, self.counts.of)
            gevent.sleep(0.01)


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    found = Stage(*request.param) if isinstance(request.param, tuple) else Stage(request.param)
    yield found
    found.publisher.close(time.monotonic() + 0.6)


def numbers(count: int) -> list[str]:
    return [str(number) for number in range(count)]


@pytest.mark.parametrize("stage", [Good], indirect=True)
def test_events_arrive_in_their_order(stage: Stage) -> None:
    stage.publish(*numbers(10))
    stage.publisher.start()
    stage.until(lambda: len(stage.broker.events) == 10)
    stage.publish("later")
    stage.until(lambda: stage.counts.of["sent"] == 11)
    assert stage.broker.users == [*numbers(10), "later"]
    assert stage.counts.of == {"sent": 11, "failed": 0, "dropped": 0} and stage.counts.waiting == 0
    assert stage.publisher.healthy() and stage.clients.opened == 1


@pytest.mark.conformance("F4")
@pytest.mark.parametrize("stage", [(lambda b: DiesAfter(b, 3), lambda b: DiesAfter(b, 0), Good)], indirect=True)
def test_what_was_not_acknowledged_is_sent_again_in_its_order(stage: Stage) -> None:
    first = stage.publish(*numbers(10))
    stage.publisher.start()
    stage.until(lambda: len(stage.clients.made) == 2)
    stage.publish("later")
    stage.until(lambda: stage.counts.of["sent"] == 11)
    assert stage.broker.users == [*numbers(10), "later"]
    assert [event.id for event in stage.broker.events[:10]] == [event.id for event in first]
    assert [made.discarded for made in stage.clients.made] == [True, True, False]


@pytest.mark.parametrize("stage", [(RaisesAfterSending, Good)], indirect=True)
def test_an_event_that_comes_twice_is_the_same(stage: Stage) -> None:
    stage.publish("0", "1")
    stage.publisher.start()
    stage.until(lambda: stage.counts.of["sent"] == 2)
    assert stage.broker.users == ["0", "1", "0", "1"]
    assert stage.broker.events[0].value == stage.broker.events[2].value


@pytest.mark.parametrize("stage", [(Silent, Good)], indirect=True)
def test_a_client_that_is_silent_is_thrown_away(stage: Stage) -> None:
    stage.publish("0")
    stage.publisher.start()
    stage.until(lambda: stage.counts.of["sent"] == 1)
    assert stage.clients.made[0].discarded


@pytest.mark.conformance("F4")
def test_the_oldest_makes_room_when_it_is_full(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(Unreachable("no broker answers"), Unreachable("no broker answers"), Good, capacity=5)
    with caplog.at_level(logging.INFO, "gateway.events"):
        stage.publisher.start()
        stage.publish(*numbers(12))
        stage.until(lambda: stage.counts.of["sent"] == 5)
    stage.publisher.close(time.monotonic() + 1)
    assert stage.broker.users == numbers(12)[-5:]
    assert stage.counts.of == {"sent": 5, "failed": 0, "dropped": 7}
    assert len([record for record in caplog.records if "drops the oldest" in record.getMessage()]) == 1


@pytest.mark.parametrize("stage", [Narrow], indirect=True)
def test_what_is_too_large_takes_no_other_along(stage: Stage) -> None:
    stage.publish("0", "1", "large", "2", "3")
    stage.publisher.start()
    stage.until(lambda: len(stage.broker.events) == 4)
    stage.publish("4", "5", "6")
    stage.until(lambda: stage.counts.of["sent"] == 7)
    assert stage.broker.users == numbers(7)
    assert stage.counts.of == {"sent": 7, "failed": 1, "dropped": 0}


@pytest.mark.parametrize("stage", [lambda b: Narrow(b, 3)], indirect=True)
def test_what_is_too_large_together_is_sent_one_by_one(stage: Stage) -> None:
    stage.publish(*numbers(5))
    stage.publisher.start()
    stage.until(lambda: stage.counts.of["sent"] == 5)
    stage.publish("5", "6")
    stage.until(lambda: stage.counts.of["sent"] == 7)
    assert stage.broker.users == numbers(7)
    assert stage.clients.made[-1].batches == [1, 1, 1, 1, 1, 2], "and then together again"


@pytest.mark.conformance("F4", "S1")
@pytest.mark.parametrize("stage", [lambda b: type("Stuck", (Silent,), {"patience": 60.0})(b)], indirect=True)
def test_the_end_is_bounded(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.publish("0", "1", "2")
    stage.publisher.start()
    stage.until(lambda: stage.clients.made)
    began = time.monotonic()
    stage.publisher.close(began + 1.0)
    assert time.monotonic() - began < 5
    assert stage.counts.of["dropped"] == 3 and stage.clients.made[0].discarded
    assert "3 events were not sent before the worker stopped" in caplog.text
    stage.publish("afterwards")


@pytest.mark.conformance("S1")
@pytest.mark.parametrize("stage", [Good], indirect=True)
def test_the_end_waits_for_what_can_be_sent(stage: Stage) -> None:
    stage.publisher.start()
    stage.publish(*numbers(2000))
    stage.publisher.close(time.monotonic() + 10)
    assert len(stage.broker.events) == 1000, "the queue's capacity"


class TestCondition:
    def run(self, caplog: pytest.LogCaptureFixture, fault: Fault, times: int) -> tuple[Stage, list[str]]:
        stage = Stage(*[fault] * times, Good)
        with caplog.at_level(logging.DEBUG, "gateway.events"):
            stage.publish("0")
            stage.publisher.start()
            if times >= fault.said_after:
                stage.until(lambda: caplog.records)
                assert not stage.publisher.healthy()
            stage.until(lambda: stage.counts.of["sent"] == 1)
        assert stage.publisher.healthy()
        stage.publisher.close(time.monotonic() + 1)
        return stage, [f"{record.levelname} {record.getMessage()}" for record in caplog.records]

    @pytest.mark.parametrize(
        "fault", [Unreachable("no broker answers"), AccessRefused("no topic"), IncompatibleClient("not this one")]
    )
    def test_an_outage_of_kafka_is_said_once(self, caplog: pytest.LogCaptureFixture, fault: Fault) -> None:
        _, lines = self.run(caplog, fault, 4)
        assert lines == [
            f"ERROR Kafka (KAFKA_BROKERS, here:9092): {fault}; events wait",
            "INFO Kafka (KAFKA_BROKERS, here:9092): events flow, through good",
        ]

    def test_a_closed_idle_connection_is_no_outage(self, caplog: pytest.LogCaptureFixture) -> None:
        _, lines = self.run(caplog, Unreachable("closed"), 2)
        assert [line[:4] for line in lines] == ["INFO"]

    def test_health_depends_on_the_broker(self) -> None:
        stage = Stage(Good)
        assert stage.publisher.healthy()
        stage.reach.answers = False
        assert not stage.publisher.healthy()


def test_an_outbox_keeps_the_order() -> None:
    outbox = Outbox(4)
    events = [Event("a", str(number), {}, "") for number in range(6)]
    assert [outbox.add(event) for event in events[:4]] == [False] * 4
    assert outbox.take(2) == events[:2] and outbox.under_way == 2
    assert outbox.add(events[4]) is True, "the first that waits makes room"
    assert outbox.settle(events[0]) is True and outbox.settle(events[0]) is False
    outbox.put_back()
    assert (outbox.under_way, len(outbox)) == (0, 3)
    assert outbox.take(9) == [events[1], events[3], events[4]]
