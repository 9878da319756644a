"""Connections to one origin: made, kept while they are good, given out again."""

from __future__ import annotations

import select
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from time import monotonic
from typing import Any

import gevent
from gevent import monkey
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NameResolutionError

from gateway.transport.faults import ConnectError, ConnectTimedOut

RETIRE_SECONDS = 60.0
"""A kept connection is not used again after this, so that a changed DNS answer is followed."""

SWEEP_SECONDS = 0.25
"""How late a time-out may be."""

KEPT = 1000
"""Idle connections kept per origin."""

_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (TimeoutError, "no connection in time"),
    (NameResolutionError, "its name is not known"),
    (socket.gaierror, "its name is not known"),
    (ssl.SSLCertVerificationError, "its certificate is not trusted (CA_BUNDLE)"),
    (ssl.SSLError, "it does not speak TLS as it should"),
    (ConnectionRefusedError, "refused"),
    (ConnectionError, "reset"),
)


def unpatched_poll() -> select.poll:
    """A poll that only looks; gevent's own would wait in the hub."""
    poll: select.poll = monkey.get_original("select", "poll")()
    return poll


@dataclass(slots=True, eq=False)
class Connection:
    """One open connection; `born` is a monotonic time."""

    sock: socket.socket
    born: float = field(default_factory=monotonic)
    due: float = inf
    """When what is waited for has to be here, a monotonic time."""

    late: bool = False
    _poll: select.poll = field(init=False, repr=False)
    _readable: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._poll = unpatched_poll()
        self._poll.register(self.sock.fileno(), select.POLLIN)
        self._readable = (
            None if isinstance(self.sock, ssl.SSLSocket) else gevent.get_hub().loop.io(self.sock.fileno(), 1)
        )

    def receive(self, size: int, due: float) -> bytes:
        """What has come, empty at the end of the stream. TimeoutError where nothing came until `due`."""
        self.due = due
        try:
            if self._readable is not None:  # what TLS has read already wakes nobody
                gevent.get_hub().wait(self._readable)
            data = self.sock.recv(size)
        except OSError:
            data = b""
        if not data and self.late:
            raise TimeoutError
        return data

    def close(self) -> None:
        """Close; what is still to come on it is lost."""
        if self._readable is not None:
            self._readable.close()
        self.sock.close()

    def abort(self) -> None:
        """End it under the greenlet that waits on it, which then reads the end of the stream."""
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def is_quiet(self) -> bool:
        """Whether the peer has neither closed it nor said anything: both make it useless for another call."""
        if monotonic() - self.born > RETIRE_SECONDS:
            return False
        if not isinstance(self.sock, ssl.SSLSocket):
            return not self._poll.poll(0)  # a third of what recv costs, which raises where there is nothing
        try:
            self.sock.settimeout(0.0)
            self.sock.read(1)
        except ssl.SSLWantReadError:
            return True
        except OSError:
            return False
        return False


class Origin:
    """The connections to one scheme, host and port."""

    def __init__(self, scheme: str, host: str, port: int, tls: ssl.SSLContext) -> None:
        self._address = (scheme, host, port)
        self._tls = tls
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._sweeper: gevent.Greenlet[[], None] | None = None

    def connection(self, timeout: float, *, fresh: bool = False) -> Connection:
        """A kept connection that is still good, else (or if `fresh`) a new one.

        `timeout`, in seconds, bounds name resolution, connect and TLS handshake together. Raises ConnectError.
        """
        while self._idle and not fresh:
            connection = self._idle.pop()
            if connection.is_quiet():
                break
            connection.close()
        else:
            connection = Connection(self._connect(timeout))
        self._busy.add(connection)
        if self._sweeper is None:
            self._sweeper = gevent.spawn(self._sweep)
        return connection

    def _sweep(self) -> None:
        """End the calls that are late. One look for all: a timer for each wait is 10 us."""
        while True:
            gevent.sleep(SWEEP_SECONDS)
            now = monotonic()
            for connection in [busy for busy in self._busy if busy.due < now]:
                connection.late = True
                connection.abort()

    def drop(self, connection: Connection) -> None:
        """Close a connection that was given out."""
        self._busy.discard(connection)
        connection.close()

    def keep(self, connection: Connection) -> None:
        """Take back a connection whose answer was read to its end."""
        self._busy.discard(connection)
        connection.due = inf
        if len(self._idle) < KEPT and monotonic() - connection.born < RETIRE_SECONDS:
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close every kept connection."""
        while self._idle:
            self._idle.pop().close()

    def _connect(self, timeout: float) -> socket.socket:
        scheme, host, port = self._address
        made: HTTPConnection
        if scheme == "https":
            made = HTTPSConnection(host, port, timeout=timeout, ssl_context=self._tls)
        else:
            made = HTTPConnection(host, port, timeout=timeout)
        too_slow = gevent.Timeout(timeout)
        try:
            with too_slow:
                made.connect()
        except gevent.Timeout as fired:
            made.close()
            if fired is not too_slow:
                raise
            raise ConnectTimedOut("no connection in time") from None
        except (OSError, HTTPError) as error:
            made.close()
            timed_out = isinstance(error, TimeoutError) or "timed out" in str(error)
            raise (ConnectTimedOut if timed_out else ConnectError)(_why(error)) from error
        sock: socket.socket = made.sock
        return sock


def _why(error: Exception) -> str:
    """Why there is no connection, in words for a log; the libraries' own may quote anything."""
    cause: BaseException | None = error
    while cause is not None:
        for kind, words in _REASONS:
            if isinstance(cause, kind):
                return words
        cause = cause.__cause__
    return type(error).__name__
