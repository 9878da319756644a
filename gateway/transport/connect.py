"""New connections: every address of a name is tried within the connect time-out (RFC 8305)."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from time import monotonic

import gevent
from gevent import socket as cooperative
from gevent.queue import Empty, Queue

from gateway.transport.faults import ConnectError, ConnectTimedOut
from gateway.transport.resolver import Address

ATTEMPT_DELAY = 0.25
"""Seconds before the next address is tried too (RFC 8305 section 5)."""

# A vanished peer is detected within about a minute, also between two bytes of an event stream.
KEEPALIVE_IDLE_SECONDS = 30
KEEPALIVE_INTERVAL_SECONDS = 10
KEEPALIVE_PROBES = 3
USER_TIMEOUT_MILLISECONDS = 60_000

_OPTIONS = (
    (socket.IPPROTO_TCP, "TCP_NODELAY", 1),
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", KEEPALIVE_IDLE_SECONDS),
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", KEEPALIVE_INTERVAL_SECONDS),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", KEEPALIVE_PROBES),
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", USER_TIMEOUT_MILLISECONDS),
)
_KNOWN_OPTIONS = tuple(
    (level, getattr(socket, name), value) for level, name, value in _OPTIONS if hasattr(socket, name)
)

# Texts for the log, because those of exceptions may quote anything. The first class that matches is used.
_REASONS: tuple[tuple[type[OSError], str], ...] = (
    (ssl.SSLCertVerificationError, "its certificate is not trusted (CA_BUNDLE)"),
    (ssl.SSLError, "it does not speak TLS as it should"),
    (ConnectionRefusedError, "refused"),
    (ConnectionError, "reset"),
)


def connect(addresses: Sequence[Address], due: float) -> tuple[socket.socket, Address]:
    """A TCP connection to one of `addresses`, and its address: each is tried as soon as the one before has failed, or
    has not connected after ATTEMPT_DELAY; the first that connects is used.

    `due` is a monotonic time. Raises ConnectTimedOut, or ConnectError if all have failed.
    """
    if len(addresses) == 1:
        try:
            return _attempt(addresses[0], due), addresses[0]
        except OSError as error:
            raise fault_of(error) from error
    results: Queue[tuple[socket.socket | OSError, Address]] = Queue()
    attempts: list[gevent.Greenlet[..., None]] = []
    waiting = list(addresses)
    failed = 0
    last: OSError | None = None
    try:
        while failed < len(addresses):
            if waiting:
                attempts.append(gevent.spawn(_report, waiting.pop(0), due, results))
            left = max(0.0, due - monotonic())
            try:
                result, address = results.get(timeout=min(left, ATTEMPT_DELAY) if waiting else left + ATTEMPT_DELAY)
            except Empty:
                if not left:
                    break
                continue
            if not isinstance(result, OSError):
                return result, address
            failed += 1
            last = result
    finally:
        gevent.killall(attempts)
        _close_unused(results)
    raise fault_of(last or TimeoutError()) from last


def _report(address: Address, due: float, results: Queue[tuple[socket.socket | OSError, Address]]) -> None:
    try:
        results.put((_attempt(address, due), address))
    except OSError as error:
        results.put((error, address))


def _close_unused(results: Queue[tuple[socket.socket | OSError, Address]]) -> None:
    while not results.empty():
        result, _ = results.get()
        if not isinstance(result, OSError):
            result.close()


def _attempt(address: Address, due: float) -> socket.socket:
    sock: socket.socket = cooperative.socket(address[0], socket.SOCK_STREAM)
    try:
        for level, option, value in _KNOWN_OPTIONS:
            sock.setsockopt(level, option, value)
        sock.settimeout(max(0.001, due - monotonic()))
        sock.connect(address[1])
    except BaseException:
        sock.close()
        raise
    return sock


def handshake(sock: socket.socket, host: str, tls: ssl.SSLContext, due: float) -> ssl.SSLSocket:
    """TLS over `sock`, which is closed if that fails. On it, an end without close_notify is an error, not an end
    (RFC 8446 section 6.1). Raises ConnectTimedOut, ConnectError."""
    too_slow = gevent.Timeout(max(0.001, due - monotonic()))
    try:
        with too_slow:
            return tls.wrap_socket(sock, server_hostname=host, suppress_ragged_eofs=False)
    except gevent.Timeout as fired:
        sock.close()
        if fired is not too_slow:
            raise
        raise ConnectTimedOut("no connection in time") from None
    except OSError as error:
        sock.close()
        raise fault_of(error) from error


def fault_of(error: OSError) -> ConnectError:
    """The fault for an error of the operating system or of TLS."""
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return ConnectTimedOut("no connection in time")
    return ConnectError(next((words for kind, words in _REASONS if isinstance(error, kind)), type(error).__name__))
