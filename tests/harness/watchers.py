"""Loki, Jaeger and an OTLP collector of a gateway, as services that a test can break; what they took is read."""

import gzip
import json
import socket
from collections.abc import Iterator
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from harness import replies, thrift
from harness.gateway import parsed
from harness.lifetime import Lifetime
from harness.service import Answerer, Received, Service

PATH = "url.path"


class Watcher(Service):
    """Takes all that comes, until it is given another answer; `taken` is what it said 204 to."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[Received] = []
        self.answer = self.take

    def take(self, received: Received, conn: socket.socket) -> None:
        replies.sized(204)(received, conn)
        self.taken.append(received)


class Watchers(Lifetime):
    """All three, up while the `with` lasts. `env` is what tells a gateway of them."""

    def __init__(self) -> None:
        self.loki, self.jaeger, self.otlp = self.all = Watcher(), Watcher(), Watcher()

    def start(self) -> None:
        for watcher in self.all:
            watcher.start()

    def stop(self) -> None:
        for watcher in self.all:
            watcher.stop()

    @property
    def env(self) -> dict[str, str]:
        return {
            "LOKI_HOST": self.loki.url,
            "JAEGER_ENDPOINT": f"{self.jaeger.url}/api/traces",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.otlp.url,
        }

    def refuse(self) -> None:
        for watcher in self.all:
            watcher.stop()

    def say(self, answer: Answerer) -> None:
        """From now on each of them answers so, on connections that are open too."""
        for watcher in self.all:
            watcher.answer = answer

    def come_back(self) -> None:
        for watcher in self.all:
            watcher.stop()
            watcher.answer = watcher.take
            watcher.start()

    def lines(self) -> list[bytes]:
        """Every line that Loki took, without its newline."""
        return [
            line.encode()
            for received in self.loki.taken
            for stream in json.loads(gzip.decompress(received.body))["streams"]
            for _, line in stream["values"]
        ]

    def paths(self) -> tuple[set[str], set[str], set[str]]:
        """The paths of all requests that each of them was told of."""
        return (
            {line["url"] for line in map(parsed, self.lines()) if "statusCode" in line and "url" in line},
            {path for _, span in self.spans() if (path := span.get(PATH))},
            {path for span in self._otlp() if (path := span.get(PATH))},
        )

    def raw(self) -> bytes:
        """All that reached them, heads and bodies, taken or not; texts in it are as they were."""
        return b"\n".join(
            received.raw + (gzip.decompress(received.body) if received.body[:2] == b"\x1f\x8b" else received.body)
            for watcher in self.all
            for received in watcher.requests
            if received.complete
        )

    def spans(self) -> list[tuple[str, dict[str, Any]]]:
        """Name and tags, of those that are texts and numbers, of each span that Jaeger took."""
        return [
            (span[5], {tag[1]: tag.get(3, tag.get(6)) for tag in span[10]})
            for received in self.jaeger.taken
            for span in thrift.read(received.body)[2]
        ]

    def _otlp(self) -> Iterator[dict[str, Any]]:
        for received in self.otlp.taken:
            for group in ExportTraceServiceRequest.FromString(received.body).resource_spans:
                for scope in group.scope_spans:
                    for span in scope.spans:
                        yield {each.key: each.value.string_value for each in span.attributes}
