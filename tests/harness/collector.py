"""A collector of spans on the loopback: what came by OTLP over HTTP, decoded."""

from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from harness import replies
from harness.service import Service
from harness.waiting import until

KINDS = {1: "internal", 2: "server", 3: "client"}
ERROR = 2


@dataclass(frozen=True)
class Span:
    """Ids in hexadecimal; `parent` is empty where there is none. Times are nanoseconds."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    failed: bool
    said: str
    events: int
    began: int
    ended: int
    service: str


def text_of(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))


class Collector(Service):
    """`env` sends a gateway's spans here, soon."""

    def __init__(self) -> None:
        super().__init__(keep=8 << 20)
        self.answer = replies.sized(200)

    @property
    def env(self) -> dict[str, str]:
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}

    def clear(self) -> None:
        super().clear()
        self.answer = replies.sized(200)

    @property
    def spans(self) -> list[Span]:
        """All that came whole so far."""
        found = []
        for received in [each for each in self.requests if each.ended.is_set()]:
            for group in ExportTraceServiceRequest.FromString(received.body).resource_spans:
                service = {each.key: text_of(each.value) for each in group.resource.attributes}["service.name"]
                found += [decoded(span, service) for scope in group.scope_spans for span in scope.spans]
        return found

    def of(self, trace: str) -> list[Span]:
        return [span for span in self.spans if span.trace == trace]

    def wait(self, trace: str, count: int) -> list[Span]:
        """The spans of a trace, the first to begin first, once there are so many."""
        found = until(lambda: len(now := self.of(trace)) >= count and now, 10, f"{count} spans of {trace}")
        assert len(found) == count, found
        return sorted(found, key=lambda span: span.began)


def decoded(span: Any, service: str) -> Span:
    return Span(
        name=span.name,
        kind=KINDS[span.kind],
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        attributes={each.key: text_of(each.value) for each in span.attributes},
        failed=span.status.code == ERROR,
        said=span.status.message,
        events=len(span.events),
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        service=service,
    )
