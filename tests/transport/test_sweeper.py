"""The sweep that ends late calls: it must go on."""

from collections.abc import Collection

import gevent
import pytest

from gateway.transport.origin import Origin
from gateway.transport.sweeper import Sweeper


@pytest.mark.conformance("F1")
def test_a_sweep_that_fails_is_logged_and_followed_by_others(caplog: pytest.LogCaptureFixture) -> None:
    sweeps = 0

    def origins() -> Collection[Origin]:
        nonlocal sweeps
        sweeps += 1
        if sweeps == 1:
            raise ZeroDivisionError
        return ()

    sweeper = Sweeper(origins)
    sweeper.ensure()
    try:
        with gevent.Timeout(10):
            while sweeps < 2:
                gevent.sleep(0.02)
    finally:
        sweeper.close()
    assert [record.message for record in caplog.records] == ["looking for late calls failed"]
