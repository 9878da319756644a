"""The adaptive bound, by a model of a service and a clock of its own."""

import pytest

from gateway.proxy.concurrency import AdaptiveLimit

FLOOR, CEILING = 100, 1000


class Model:
    """A service that bears `capacity` calls at once at its usual time, and is slower in proportion beyond."""

    def __init__(self, usual: float, capacity: float = float("inf"), *, stuck: bool = False) -> None:
        self.now = 0.0
        self.usual, self.capacity, self.stuck = usual, capacity, stuck
        self.limit = AdaptiveLimit(FLOOR, CEILING, lambda: self.now)

    def run(self, seconds: float, clients: int, *, step: float = 0.05) -> int:
        """So many clients ask again as soon as they are answered; the fewest that the bound let in."""
        fewest = CEILING
        end = self.now + seconds
        while self.now < end:
            under_way = min(clients, self.limit.current)
            took = self.usual * max(1.0, under_way / self.capacity)
            self.limit.arrived(under_way)
            if not self.stuck:
                for _ in range(max(1, int(under_way * step / took))):
                    self.limit.answered(took)
            self.now += step
            fewest = min(fewest, self.limit.current)
        return fewest


@pytest.mark.conformance("F11")
@pytest.mark.parametrize("usual", [0.001, 0.05, 0.5, 3.0])
def test_a_service_that_answers_as_it_always_does_is_asked_by_all(usual: float) -> None:
    assert Model(usual).run(120, 500) >= 500


@pytest.mark.conformance("L5")
def test_a_stuck_service_is_bounded_within_seconds_and_recovers() -> None:
    model = Model(0.05)
    model.run(30, 500)
    model.stuck = True
    model.run(15, 500)
    assert model.limit.current == FLOOR
    model.stuck = False
    model.run(15, 1000)
    assert model.limit.current == CEILING


def test_a_service_that_is_overloaded_is_asked_less() -> None:
    model = Model(0.5, capacity=100)
    model.run(10, 100)
    model.run(20, 5000)
    assert FLOOR <= model.limit.current < 700


def test_the_bound_stays_between_floor_and_ceiling() -> None:
    small = AdaptiveLimit(FLOOR, 5)
    assert (small.floor, small.current) == (5, 5)
    model = Model(0.05, stuck=True)
    model.run(600, 2000)
    assert model.limit.current == FLOOR
