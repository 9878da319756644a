"""Errors that no client is answered with, and what every caught error needs."""

from __future__ import annotations


class StartFault(Exception):
    """A worker can not begin as the machine is; the message says what to do."""


def drop_traceback(error: BaseException) -> None:
    """Take an error's frames from it, and from those it came of: they hold the request, and the request the error, so
    that both would wait for the garbage collector."""
    found: BaseException | None = error
    while found is not None:
        found.__traceback__ = None
        found.__context__, found = None, found.__context__
