"""The queue in front of a peer: its bounds, its order, what is lost and said, its end."""

import logging
from collections.abc import Callable, Iterator
from itertools import pairwise
from time import monotonic

import gevent
import pytest

from gateway.batches import Batches, Bounds, Pace, PermanentFailure, RetryableFailure

LOG = logging.getLogger("tests.batches")
ROOMY = Bounds(items=1000, size=1 << 20)
QUICK = Pace(every=0.05, first_retry=0.02, last_retry=0.05)
PATIENT = Pace(every=60)


class Peer:
    """Takes what is sent, or does `then` first: raise, sleep."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.tries = 0
        self.lost = 0
        self.then: Callable[[list[int]], object] = lambda items: None

    def send(self, items: list[int]) -> None:
        self.tries += 1
        self.then(items)
        self.batches.append(items)

    def dropped(self, count: int) -> None:
        self.lost += count

    @property
    def items(self) -> list[int]:
        return [item for batch in self.batches for item in batch]


def fail(error: Exception) -> Callable[[list[int]], object]:
    def then(items: list[int]) -> None:
        raise error

    return then


def hang(items: list[int]) -> None:
    gevent.sleep(60)


@pytest.fixture
def peer() -> Peer:
    return Peer()


@pytest.fixture
def make(peer: Peer) -> Iterator[Callable[..., Batches[int]]]:
    """A queue before `peer`, started; ended after the test."""
    made: list[Batches[int]] = []

    def make(held: Bounds = ROOMY, batch: Bounds = ROOMY, pace: Pace = QUICK, start: bool = True) -> Batches[int]:
        queue = Batches("Peer", peer.send, peer.dropped, LOG, held=held, batch=batch, pace=pace)
        made.append(queue)
        if start:
            queue.start()
        return queue

    yield make
    for queue in made:
        queue.close(monotonic())


def until(probe: Callable[[], object]) -> None:
    with gevent.Timeout(5, AssertionError("waited 5 s")):
        while not probe():
            gevent.sleep(0.005)


def fill(queue: Batches[int], numbers: range, size: int = 10) -> None:
    for number in numbers:
        queue.put(number, size)


Make = Callable[..., Batches[int]]


class TestSending:
    def test_what_comes_together_goes_together(self, make: Make, peer: Peer) -> None:
        fill(make(), range(100))
        until(lambda: peer.batches)
        assert peer.batches == [list(range(100))] and peer.lost == 0

    def test_a_large_batch_does_not_wait(self, make: Make, peer: Peer) -> None:
        fill(make(batch=Bounds(10, 1000), pace=PATIENT), range(10))
        until(lambda: peer.batches)
        assert peer.items == list(range(10))

    def test_bytes_make_a_batch_large_too(self, make: Make, peer: Peer) -> None:
        fill(make(batch=Bounds(1000, 100), pace=PATIENT), range(10))
        until(lambda: peer.batches)
        assert peer.items == list(range(10))

    @pytest.mark.parametrize(
        ("batch", "sizes"),
        [(Bounds(7, 1 << 20), [7, 7, 6]), (Bounds(1000, 45), [4, 4, 4, 4, 4]), (Bounds(1000, 5), [1] * 20)],
        ids=["by number", "by bytes", "each one larger than a batch"],
    )
    def test_a_batch_has_bounds(self, make: Make, peer: Peer, batch: Bounds, sizes: list[int]) -> None:
        fill(make(batch=batch), range(20))
        until(lambda: len(peer.items) == 20)
        assert [len(each) for each in peer.batches] == sizes and peer.items == list(range(20))

    def test_what_was_put_before_the_start_goes_first(self, make: Make, peer: Peer) -> None:
        queue = make(start=False)
        fill(queue, range(3))
        queue.start()
        fill(queue, range(3, 6))
        until(lambda: len(peer.items) == 6)
        assert peer.items == list(range(6))

    def test_what_comes_while_a_batch_is_away_waits_for_its_own(self, make: Make, peer: Peer) -> None:
        peer.then = lambda items: gevent.sleep(0.05)
        queue = make()
        fill(queue, range(5))
        until(lambda: peer.tries == 1)
        fill(queue, range(5, 9))
        until(lambda: len(peer.batches) == 2)
        assert peer.batches == [list(range(5)), list(range(5, 9))]


class TestFaults:
    def test_the_batch_stays_at_the_front(self, make: Make, peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        peer.then = fail(RetryableFailure("away"))
        queue = make(batch=Bounds(5, 1000))
        fill(queue, range(5))
        until(lambda: peer.tries >= 4)
        fill(queue, range(5, 12))
        peer.then = lambda items: None
        until(lambda: len(peer.items) == 12)
        assert peer.items == list(range(12)) and peer.lost == 0
        assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
            ("WARNING", "Peer: cannot be delivered (away), retrying"),
            ("INFO", "Peer: delivered again, 0 were dropped"),
        ]

    def test_tries_come_further_and_further_apart(self, make: Make, peer: Peer) -> None:
        times: list[float] = []

        def then(items: list[int]) -> None:
            times.append(monotonic())
            raise RetryableFailure("away")

        peer.then = then
        fill(make(batch=Bounds(1, 1000), pace=Pace(0.05, 0.05, 0.2)), range(20))
        until(lambda: len(times) == 6)
        waits = [after - before for before, after in pairwise(times)]
        assert all(wait >= least for wait, least in zip(waits, [0.045, 0.095, 0.19, 0.19, 0.19], strict=True)), waits

    def test_a_batch_without_hope_is_dropped_and_the_next_one_goes(
        self, make: Make, peer: Peer, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)

        def then(items: list[int]) -> None:
            if items[0] < 10:
                raise PermanentFailure("status 400")

        peer.then = then
        fill(make(batch=Bounds(5, 1000)), range(20))
        until(lambda: len(peer.items) == 10)
        assert peer.items == list(range(10, 20)) and peer.lost == 10
        assert [record.getMessage() for record in caplog.records] == [
            "Peer: refused by the receiver (status 400), dropped",
            "Peer: delivered again, 10 were dropped",
        ]

    def test_a_bug_drops_the_batch_and_does_not_end_the_sending(
        self, make: Make, peer: Peer, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        peer.then = fail(ZeroDivisionError())
        queue = make(batch=Bounds(5, 1000))
        fill(queue, range(5))
        until(lambda: peer.lost == 5)
        peer.then = lambda items: None
        fill(queue, range(5, 10))
        until(lambda: peer.items == list(range(5, 10)))
        until(lambda: [record.levelname for record in caplog.records] == ["ERROR", "INFO"])

    @pytest.mark.parametrize("error", [RetryableFailure("a"), PermanentFailure("b")], ids=["away", "without hope"])
    def test_one_outage_is_one_line(
        self, make: Make, peer: Peer, caplog: pytest.LogCaptureFixture, error: Exception
    ) -> None:
        peer.then = fail(error)
        queue = make(batch=Bounds(1, 1000), held=Bounds(5, 1000))
        fill(queue, range(50))
        until(lambda: peer.tries >= 5)
        assert len(caplog.records) == 1


class TestBounds:
    @pytest.mark.parametrize("held", [Bounds(100, 1 << 20), Bounds(1 << 20, 1000)], ids=["by number", "by bytes"])
    def test_the_oldest_go_and_are_counted(self, make: Make, peer: Peer, held: Bounds) -> None:
        queue = make(held=held, start=False)
        fill(queue, range(350))
        assert len(queue) == 100 and peer.lost == 250
        queue.start()
        until(lambda: peer.items)
        assert peer.items == list(range(250, 350)) and peer.lost == 250

    def test_what_is_being_sent_counts_and_is_not_dropped(self, make: Make, peer: Peer) -> None:
        peer.then = lambda items: gevent.sleep(0.2)
        queue = make(held=Bounds(10, 1 << 20), batch=Bounds(4, 1 << 20))
        fill(queue, range(4))
        until(lambda: peer.tries == 1)
        fill(queue, range(4, 20))
        assert len(queue) == 10 and peer.lost == 10
        until(lambda: len(peer.items) == 10)
        assert peer.items == [0, 1, 2, 3, 14, 15, 16, 17, 18, 19]

    def test_an_outage_keeps_the_newest(self, make: Make, peer: Peer) -> None:
        peer.then = fail(RetryableFailure("away"))
        queue = make(held=Bounds(10, 1 << 20), batch=Bounds(4, 1 << 20))
        for first in range(0, 100, 10):
            fill(queue, range(first, first + 10))
            gevent.sleep(0.01)
        peer.then = lambda items: None
        until(lambda: len(peer.items) == 10)
        assert peer.items == list(range(90, 100)) and peer.lost == 90

    def test_an_item_larger_than_the_queue_is_no_trouble(self, make: Make, peer: Peer) -> None:
        queue = make(held=Bounds(10, 100))
        queue.put(1, 1000)
        queue.put(2, 10)
        until(lambda: peer.items == [2])
        assert peer.lost == 1


class TestClosing:
    def test_what_is_left_goes_out(self, make: Make, peer: Peer) -> None:
        queue = make(batch=Bounds(10, 1 << 20), pace=PATIENT)
        until(lambda: queue._sender and queue._sender.started)
        fill(queue, range(35))
        queue.close(monotonic() + 5)
        assert peer.items == list(range(35)) and peer.lost == 0

    def test_a_peer_that_hangs_does_not_hold_it(self, make: Make, peer: Peer) -> None:
        peer.then = hang
        queue = make()
        fill(queue, range(5))
        until(lambda: peer.tries == 1)
        fill(queue, range(5, 8))
        began = monotonic()
        queue.close(began + 0.3)
        assert 0.2 < monotonic() - began < 3
        assert peer.lost == 8 and len(queue) == 0

    def test_a_peer_that_is_away_gets_one_try_more(
        self, make: Make, peer: Peer, caplog: pytest.LogCaptureFixture
    ) -> None:
        peer.then = fail(RetryableFailure("away"))
        queue = make(pace=Pace(0.05, 60, 60))
        fill(queue, range(5))
        until(lambda: peer.tries == 1)
        queue.close(monotonic() + 30)
        assert peer.tries == 2 and peer.lost == 5
        assert caplog.records[-1].getMessage() == "Peer: stopped with 5 not delivered"

    def test_a_try_that_is_under_way_and_fails_is_the_last_one(self, make: Make, peer: Peer) -> None:
        def then(items: list[int]) -> None:
            gevent.sleep(0.1)
            raise RetryableFailure("too slow")

        peer.then = then
        queue = make()
        fill(queue, range(5))
        until(lambda: peer.tries == 1)
        queue.close(monotonic() + 30)
        assert peer.tries == 1 and peer.lost == 5

    def test_what_comes_later_is_counted_as_lost(self, make: Make, peer: Peer) -> None:
        queue = make()
        queue.close(monotonic() + 1)
        fill(queue, range(3))
        assert peer.lost == 3 and len(queue) == 0

    def test_closing_what_never_began_is_no_error(self, make: Make, peer: Peer) -> None:
        queue = make(start=False)
        fill(queue, range(3))
        queue.close(monotonic() + 1)
        assert peer.lost == 3

    def test_closing_twice_is_as_once(self, make: Make, peer: Peer) -> None:
        queue = make()
        fill(queue, range(3))
        queue.close(monotonic() + 1)
        queue.close(monotonic() + 1)
        assert peer.items == [0, 1, 2] and peer.lost == 0
