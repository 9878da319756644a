"""What can be wrong with Kafka: one tree, a leaf is what to do about it."""

from __future__ import annotations


class Fault(Exception):
    """Why events do not flow: the text goes into one log line. Nothing of what was sent is in it."""

    lasting = False
    """Whether time alone will not mend it."""

    said_after = 3
    """So many failures in a row: a broker that closed an idle connection, or a topic that it makes, is no news."""


class Unreachable(Fault):
    """No broker answers."""


class AckTimeout(Fault):
    """A broker took events and does not acknowledge them."""


class IncompatibleClient(Fault):
    """Client and broker do not fit each other."""

    lasting = True
    said_after = 1


class AccessRefused(Fault):
    """The broker answers, and takes no event of this gateway's: a topic that is not there, rights, a password."""

    lasting = True


class RecordRejected(Fault):
    """The broker takes events, and not this one: it is too large, or a batch with it is."""
