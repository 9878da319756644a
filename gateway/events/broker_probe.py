"""Probes which brokers answer and which versions they support, over separate connections with Kafka's protocol."""

from __future__ import annotations

import socket as plain
import ssl
import struct
from collections.abc import Iterator

import gevent
from gevent import socket

SECONDS = 2.0
"""The time-out for one broker: to connect, and for each of its responses."""

_PRODUCE, _FETCH, _API_VERSIONS = 0, 1, 18
_HEADER = struct.Struct("!hhih")
_NO_TOPICS = struct.pack("!hii", -1, 1000, 0)  # acks, time-out, no topic: it changes nothing
_MOST_BYTES = 1 << 20


class BrokerProbe:
    """Asks the brokers one after the other: if name resolution hangs, each of the two probes occupies one of the
    resolver's threads, and never a second one."""

    def __init__(self, brokers: tuple[str, ...], tls: ssl.SSLContext | None) -> None:
        """`brokers`: `host:port`; `tls`: None for plain connections."""
        self._addresses = [_address(broker) for broker in brokers]
        self._tls = tls
        self._looking: gevent.Greenlet[[], bool] | None = None

    def any_answers(self) -> bool:
        """Whether a broker answers, within about SECONDS."""
        if self._looking is None or self._looking.ready():
            self._looking = gevent.spawn(self._look)
        self._looking.join(SECONDS + 0.3)
        return bool(self._looking.ready() and self._looking.value)

    def takes_first_versions(self) -> bool | None:
        """Whether all brokers that answer support pykafka's versions; None if none answers.

        Kafka 4 removed the first versions (KIP-896) but still lists Produce from 0 for the sake of existing clients.
        The list is correct for Fetch, and a Produce request without a topic is the proof.
        """
        takes = [answer for answer in self._answers(first_versions=True) if answer is not None]
        return all(takes) if takes else None

    def _look(self) -> bool:
        return any(answer is not None for answer in self._answers(first_versions=False))

    def _answers(self, *, first_versions: bool) -> Iterator[bool | None]:
        """For each broker None if it does not answer; otherwise True, or whether it supports the first versions."""
        for address in list(self._addresses):
            try:
                with _connected(address, self._tls) as connection:
                    versions = _api_versions(_ask(connection, _API_VERSIONS, b""))
                    answer = not first_versions or (_first(versions, _FETCH) and _takes_produce(connection))
            except (OSError, ValueError, struct.error):
                yield None
                continue
            # The one that answered is asked first the next time.
            self._addresses.remove(address)
            self._addresses.insert(0, address)
            yield answer


def _address(broker: str) -> tuple[str, int]:
    host, _, port = broker.rpartition(":")
    return host.strip("[]"), int(port)


def _connected(address: tuple[str, int], tls: ssl.SSLContext | None) -> plain.socket:
    connection = socket.create_connection(address, timeout=SECONDS)
    if tls is None:
        return connection
    try:
        return tls.wrap_socket(connection, server_hostname=address[0])
    except BaseException:
        connection.close()
        raise


def _ask(connection: plain.socket, key: int, content: bytes) -> bytes:
    """The response to one request in version 0, without its header. Raises OSError if there is none."""
    request = _HEADER.pack(key, 0, 0, -1) + content
    connection.sendall(struct.pack("!i", len(request)) + request)
    (length,) = struct.unpack("!i", _read(connection, 4))
    if not 4 <= length <= _MOST_BYTES:
        raise ValueError("this is no Kafka")
    return _read(connection, length)[4:]


def _read(connection: plain.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise ConnectionResetError
        data += piece
    return data


def _api_versions(answer: bytes) -> dict[int, tuple[int, int]]:
    """Request → its first and last version."""
    error, count = struct.unpack_from("!hi", answer)
    if error:
        raise ValueError("no versions")
    return {
        key: (first, last) for key, first, last in (struct.unpack_from("!hhh", answer, 6 + 6 * n) for n in range(count))
    }


def _first(versions: dict[int, tuple[int, int]], key: int) -> bool:
    return key in versions and versions[key][0] == 0


def _takes_produce(connection: plain.socket) -> bool:
    """A broker closes the connection after a request with an unsupported version."""
    try:
        _ask(connection, _PRODUCE, _NO_TOPICS)
    except TimeoutError:
        raise
    except OSError:
        return False
    return True
