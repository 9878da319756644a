"""The tree of Kafka's faults, by what to do about them."""

from __future__ import annotations


class Fault(Exception):
    """Why events are not delivered: the text is for a log line, and contains nothing that was sent."""

    lasting = False
    """Whether waiting does not fix it."""

    said_after = 3
    """The number of failures in a row that is logged: a closed idle connection, or a topic being created, is normal."""


class Unreachable(Fault):
    """No broker answers."""


class AckTimeout(Fault):
    """A broker took events and does not acknowledge them."""


class IncompatibleClient(Fault):
    """The broker does not support the client."""

    lasting = True
    said_after = 1


class AccessRefused(Fault):
    """The broker answers, but accepts no event from this gateway: a missing topic, permissions, a password."""

    lasting = True


class RecordRejected(Fault):
    """The broker accepts events, but not this one: it is too large, or its batch is."""
