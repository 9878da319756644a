"""The end of a connection whose client may still be sending (RFC 9112 section 9.6)."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from time import monotonic

import gevent.socket

from gateway.worker.turns import Turns

LINGER_IDLE_SECONDS = 5.0
"""For a client that sends nothing more, as nginx has it."""

TOTAL_SECONDS = 30.0
"""For one that goes on sending."""

TOTAL_BYTES = 256 << 20
"""What is read away at most."""

_PIECE = 65_536
_sink = bytearray(_PIECE)  # what is read away looks at nobody's


def linger(client: socket.socket, turns: Turns) -> None:
    """Say that nothing more is said, and read what still comes, so that the client can read its answer: were it closed
    at once, the system would reset the connection. Raises OSError when the client goes or falls silent."""
    if isinstance(client, ssl.SSLSocket):
        client.settimeout(0.0)
        with suppress(OSError, ValueError):
            client.unwrap()  # says close_notify, and does not wait for the client's
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
