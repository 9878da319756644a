"""The end of a connection whose client may still be sending (RFC 9112 section 9.6)."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from time import monotonic

import gevent.socket

from gateway.worker.turns import Turns

LINGER_IDLE_SECONDS = 5.0
"""The time for a silent client, as in nginx."""

TOTAL_SECONDS = 30.0
"""The time for a client that continues to send."""

TOTAL_BYTES = 256 << 20
"""The maximum of discarded data."""

_PIECE = 65_536
_sink = bytearray(_PIECE)  # the discarded data is not inspected


def linger(client: socket.socket, turns: Turns) -> None:
    """Shut down the sending side, and discard what still arrives, so that the client can read its response: if the
    connection were closed at once, the system would reset it. Raises OSError for a client that leaves or is silent."""
    if isinstance(client, ssl.SSLSocket):
        client.settimeout(0.0)
        with suppress(OSError, ValueError):
            client.unwrap()  # sends close_notify, and does not wait for the client's
    gevent.socket.socket.shutdown(client, socket.SHUT_WR)
    due = monotonic() + TOTAL_SECONDS
    left = TOTAL_BYTES
    while left > 0 and (rest := due - monotonic()) > 0:
        turns.give()
        client.settimeout(min(LINGER_IDLE_SECONDS, rest))
        read = gevent.socket.socket.recv_into(client, _sink, _PIECE)
        if not read:
            return
        left -= read
