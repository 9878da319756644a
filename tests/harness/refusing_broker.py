"""A Kafka broker (of the protocol that pykafka speaks) that has the topic and refuses every message as too large."""

import socket
import struct
from collections.abc import Callable

from harness.kafka import TOPIC
from harness.relay import Relay

MESSAGE_TOO_LARGE = 10
PRODUCE, FETCH, METADATA, API_VERSIONS = 0, 1, 3, 18


def text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()


class RefusingBroker(Relay):
    """`address` is what KAFKA_BROKERS says of it, up while the `with` lasts."""

    def __init__(self, fetch: int = 0) -> None:
        """`fetch`: the first version of Fetch that it takes; 4 of a broker of Kafka 4 (KIP-896)."""
        super().__init__(self._answer)
        self._first = {FETCH: fetch}
        self.refused = 0
        self._answers: dict[int, Callable[[], bytes]] = {
            PRODUCE: self._produce,
            METADATA: self._metadata,
            API_VERSIONS: self._versions,
        }

    def start(self) -> None:
        self.open()

    def _answer(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as reader:
            while len(size := reader.read(4)) == 4:
                asked = reader.read(*struct.unpack(">i", size))
                kind, _, number = struct.unpack_from(">hhi", asked)
                body = struct.pack(">i", number) + self._answers[kind]()
                connection.sendall(struct.pack(">i", len(body)) + body)

    def _versions(self) -> bytes:
        """The first version of each (ApiVersions response, version 0)."""
        kinds = (PRODUCE, FETCH, METADATA, API_VERSIONS)
        firsts = ((kind, self._first.get(kind, 0)) for kind in kinds)
        return struct.pack(">hi", 0, len(kinds)) + b"".join(
            struct.pack(">hhh", kind, first, first) for kind, first in firsts
        )

    def _metadata(self) -> bytes:
        """One broker, one topic with one partition (Metadata response, version 0)."""
        broker = struct.pack(">ii", 1, 1) + text("127.0.0.1") + struct.pack(">i", self.port)
        partition = struct.pack(">ihiiiiii", 1, 0, 0, 1, 1, 1, 1, 1)
        return broker + struct.pack(">ih", 1, 0) + text(TOPIC) + partition

    def _produce(self) -> bytes:
        """The messages of the one partition are refused (Produce response, version 0)."""
        self.refused += 1
        return struct.pack(">i", 1) + text(TOPIC) + struct.pack(">iihq", 1, 0, MESSAGE_TOO_LARGE, -1)
