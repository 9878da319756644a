"""Errors that nobody catches: log lines without their words, nothing on standard error."""

import logging
import sys
import threading
from collections.abc import Callable, Iterator

import gevent
import pytest
from harness.waiting import until

from gateway.logs import JsonFormatter, Uncaught

pytestmark = pytest.mark.conformance("L8")


def fail() -> None:
    raise ValueError("a secret")


def in_a_greenlet() -> None:
    gevent.spawn(fail).join()


def in_a_thread() -> None:
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()


def in_a_finalizer() -> None:
    made = type("Failing", (), {"__del__": lambda self: fail()})()
    del made


def in_the_interpreter() -> None:
    try:
        fail()
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)


@pytest.fixture(autouse=True)
def uncaught() -> Iterator[None]:
    told = Uncaught()
    told.start()
    yield
    told.close(0.0)


@pytest.mark.parametrize("place", [in_a_greenlet, in_a_thread, in_a_finalizer, in_the_interpreter])
def test_is_a_line_without_its_words(
    place: Callable[[], None], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    place()

    def lines() -> list[logging.LogRecord]:
        gevent.sleep(0)
        return caplog.records

    (record,) = until(lines, 5, "a line")
    line = JsonFormatter().format(record)
    assert "unexpected error in the background" in line and "ValueError" in line and "fail" in line
    assert "secret" not in line
    assert capfd.readouterr().err == ""
