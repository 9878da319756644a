"""Slots for calls under way: a bound, a share for each user, a short queue."""

import time

import gevent
import pytest

from gateway import errors
from gateway.proxy.slots import QUEUE_SECONDS, FixedLimit, Slots

pytestmark = pytest.mark.timed


class Bound(FixedLimit):
    def __init__(self, current: int, ceiling: int) -> None:
        super().__init__(ceiling)
        self.current = current


@pytest.mark.conformance("L5")
def test_no_more_than_there_are() -> None:
    places = Slots(FixedLimit(3), 1.0)
    for user in "abc":
        places.take(user)
    began = time.monotonic()
    with pytest.raises(errors.ServiceUnavailable):
        places.take("d")
    assert time.monotonic() - began < QUEUE_SECONDS / 2, "at the ceiling nobody waits"
    places.give_back("a")
    places.take("d")
    assert places.taken == 3


@pytest.mark.conformance("L9")
@pytest.mark.parametrize(("ceiling", "share", "mine"), [(10, 0.5, 5), (5, 0.5, 2), (1, 0.5, 1), (10, 1.0, 10)])
def test_one_user_holds_a_share(ceiling: int, share: float, mine: int) -> None:
    places = Slots(FixedLimit(ceiling), share)
    for _ in range(mine):
        places.take("greedy")
    with pytest.raises(errors.ServiceUnavailable):
        places.take("greedy")
    for number in range(ceiling - mine):
        places.take(f"polite-{number}")


def test_who_waits_gets_what_is_given_back_in_turn() -> None:
    places = Slots(Bound(1, 10), 1.0)
    places.take("a")
    order: list[str] = []

    def wait(user: str) -> None:
        places.take(user)
        order.append(user)
        gevent.sleep(0.01)
        places.give_back(user)

    waiting = [gevent.spawn(wait, user) for user in "bcd"]
    gevent.sleep(0)
    assert (order, places.taken) == ([], 1)
    places.give_back("a")
    gevent.joinall(waiting, raise_error=True)
    assert (order, places.taken) == (["b", "c", "d"], 0)


def test_a_wait_is_short_and_leaves_nothing() -> None:
    places = Slots(Bound(1, 10), 1.0)
    places.take("a")
    began = time.monotonic()
    with pytest.raises(errors.ServiceUnavailable):
        places.take("b")
    assert QUEUE_SECONDS * 0.8 < time.monotonic() - began < QUEUE_SECONDS + 2
    places.give_back("a")
    assert places.taken == 0
    places.take("c")
    assert places.taken == 1


def test_who_has_its_share_lets_others_pass() -> None:
    places = Slots(Bound(2, 20), 0.5)
    places.take("greedy")
    places.take("other")
    greedy = gevent.spawn(places.take, "greedy")
    gevent.sleep(0)
    polite = gevent.spawn(places.take, "polite")
    gevent.sleep(0)
    places.give_back("other")
    polite.get(timeout=1)
    assert not greedy.ready()
    places.give_back("greedy")
    greedy.get(timeout=1)
    assert places.taken == 2


def test_a_greenlet_that_ends_while_it_waits_holds_nothing() -> None:
    places = Slots(Bound(1, 10), 1.0)
    places.take("a")
    waiting = gevent.spawn(places.take, "b")
    gevent.sleep(0)
    waiting.kill()
    places.give_back("a")
    assert places.taken == 0
