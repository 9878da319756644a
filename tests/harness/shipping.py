"""A process that ships lines and spans, patched by gevent as a worker is, told what to do line by line."""

import ast
import gzip
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from harness import thrift
from harness.asked import AskedProcess, answer
from harness.received import Received


class ShippingProcess(AskedProcess):
    """Ships to Loki at the base URL `loki`, to Jaeger at the endpoint `jaeger`, and where `environ` says.

    `put(0, 3)` writes the lines or ends the spans 0, 1 and 2. Its standard output is the file `stdout`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        loki: str | None = None,
        tenant: str | None = None,
        jaeger: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.stdout = folder / "stdout"
        self.stdout.touch()
        setup = {"stdout": str(self.stdout), "loki": loki, "tenant": tenant, "jaeger": jaeger, "environ": environ or {}}
        super().__init__("harness.shipping", setup)

    def put(self, first: int, end: int) -> None:
        self.ask("put", first, end)

    def close(self, seconds: float) -> None:
        self.ask("close", seconds)

    @property
    def dropped(self) -> int:
        return int(self.ask("dropped"))

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.read_text().splitlines()]

    def logged(self) -> list[tuple[str, str]]:
        """Level and text of what it said of its peers."""
        own = ("gateway.loki", "gateway.traces")
        return [(line["level"], line["message"]) for line in self.lines() if line.get("logger") in own]


# What arrived, as numbers.


def of_lines(received: Received) -> list[int]:
    streams = json.loads(gzip.decompress(received.body))["streams"]
    values = sorted((int(at), line) for stream in streams for at, line in stream["values"])
    messages = [json.loads(line)["message"] for _, line in values]
    return [int(message.split()[1]) for message in messages if message.startswith("line ")]


def of_thrift(received: Received) -> list[int]:
    return [int(span[5].split()[1]) for span in thrift.read(received.body)[2]]


def of_otlp(received: Received) -> list[int]:
    message = ExportTraceServiceRequest.FromString(received.body)
    spans = [span for each in message.resource_spans for scope in each.scope_spans for span in scope.spans]
    return [int(span.name.split()[1]) for span in spans]


Numbers = Callable[[Received], list[int]]


def serve() -> None:
    """What runs over there."""
    from gevent import monkey

    monkey.patch_all()
    setup = ast.literal_eval(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    output = os.open(setup["stdout"], os.O_WRONLY | os.O_APPEND)
    os.dup2(output, 1)
    os.close(output)

    from gunicorn.config import Config

    from gateway import logs

    gunicorn = logs.GunicornLogger(Config())  # as the master makes it, before the app is built
    lines = logs.configure("debug")
    lines.start()
    shipper = Shipper(setup, lines)
    own: dict[str, Callable[..., Any]] = {
        "put": shipper.put, "close": shipper.close, "dropped": lambda: sum(shipper.lost),
        "gunicorn": gunicorn.info, "say": lambda logger, level, text: logging.getLogger(logger).log(level, text),
    }  # fmt: skip
    answer(own.__getitem__, answers)
    shipper.close(2)
    lines.close(time.monotonic() + 2)
    answers.close()


class Shipper:
    """All that ships in a worker, over there."""

    def __init__(self, setup: Mapping[str, Any], lines: Any) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        from gateway.loki import LOGGER, Loki
        from gateway.traces import span_pipeline
        from gateway.transport import Adapter, SealedSession, Timeouts, tls_context

        session = SealedSession(Adapter(tls_context(None), Timeouts(2.0, 30.0, 55.0)))
        self.lost: list[int] = []
        self._lines = lines
        self._loki = Loki(setup["loki"], setup["tenant"], session, self.lost.append) if setup["loki"] else None
        self._spans = span_pipeline(setup["jaeger"], setup["environ"], session, self.lost.append)
        provider = TracerProvider(ALWAYS_ON, Resource({"service.name": "tests"}), shutdown_on_exit=False)
        self._tracer = provider.get_tracer("tests")
        if self._loki is not None:
            lines.also(self._loki.put, but=LOGGER)
        if self._spans is not None:
            provider.add_span_processor(self._spans)
        self._living = [part for part in (self._loki, self._spans) if part is not None]
        for part in self._living:
            part.start()

    def put(self, first: int, end: int) -> None:
        for number in range(first, end):
            if self._loki is not None:
                self._lines.write("info", f"line {number}")
            if self._spans is not None:
                self._tracer.start_span(f"span {number}").end()

    def close(self, seconds: float) -> None:
        for part in self._living:
            part.close(time.monotonic() + seconds)


if __name__ == "__main__":
    serve()
