"""Waiting for something to become true, with a deadline instead of a sleep."""

import time
from collections.abc import Callable
from typing import Literal, TypeVar

Value = TypeVar("Value")


def until(probe: Callable[[], Value | Literal[False] | None], timeout: float = 15.0, what: str = "it") -> Value:
    """Ask `probe` every 20 ms until its value is true; AssertionError after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout} s for {what}; last value {value!r}")
        time.sleep(0.02)
