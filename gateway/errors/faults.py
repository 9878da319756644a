"""Errors that never become a response, and the cleanup of caught errors."""

from __future__ import annotations


class StartFault(Exception):
    """A worker cannot start on this machine; the message says what to do."""


def drop_traceback(error: BaseException) -> None:
    """Remove the frames from an error and its causes: they refer to the request, and the request to the error, so both
    would have to wait for the garbage collector."""
    found: BaseException | None = error
    while found is not None:
        found.__traceback__ = None
        found.__context__, found = None, found.__context__
