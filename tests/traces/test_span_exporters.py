"""What leaves as a span: for Jaeger in Thrift, for a collector in OTLP; and which way out is taken when."""

from collections.abc import Iterator, Mapping
from typing import Any

import gevent
import pytest
from harness import replies, thrift
from harness.service import Service
from harness.spans import ATTRIBUTES, HIGH, SERVICE_NAME, Ended, a_trace, provider
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import TraceFlags

from gateway.batches import PermanentFailure
from gateway.traces import JaegerExporter, OtlpExporter, span_pipeline
from gateway.transport import Adapter, SealedSession, Timeouts, tls_context


@pytest.fixture(scope="module")
def spans() -> list[ReadableSpan]:
    return a_trace(HIGH, 1_700_000_000_123_456_789)


@pytest.fixture
def collector() -> Iterator[Service]:
    with Service() as running:
        running.answer = replies.sized(202)
        yield running


@pytest.fixture
def session() -> Iterator[SealedSession]:
    adapter = Adapter(tls_context(None), Timeouts(2.0, 2.0, 2.0))
    yield SealedSession(adapter)
    adapter.close()


def signed(number: int) -> int:
    """The lower 64 bits as Thrift has them."""
    lower = number & (1 << 64) - 1
    return lower - (1 << 64) if lower >> 63 else lower


def tags(fields: list[dict[int, Any]]) -> dict[str, Any]:
    """Key → value, checked to be of the type that its tag names."""
    types = {0: 3, 1: 4, 2: 5, 3: 6}
    for tag in fields:
        assert tag.keys() == {1, 2, types[tag[2]]}, tag
    return {tag[1]: tag[types[tag[2]]] for tag in fields}


class TestJaeger:
    @pytest.fixture
    def batch(self, spans: list[ReadableSpan], collector: Service, session: SealedSession) -> dict[int, Any]:
        JaegerExporter(f"{collector.url}/api/traces", session).send(spans)
        return thrift.read(collector.last.body)

    def test_a_batch_is_one_call(self, batch: dict[int, Any], collector: Service) -> None:
        (received,) = collector.requests
        assert (received.method, received.target) == ("POST", b"/api/traces")
        assert received.names == {"host", "content-type", "content-length"}
        assert received.header("Content-Type") == "application/x-thrift"
        assert batch.keys() == {1, 2}

    def test_the_process_is_described(self, batch: dict[int, Any]) -> None:
        assert batch[1][1] == SERVICE_NAME
        assert tags(batch[1][2]) == {"service.version": "1.2", "host.cpus": 2}

    def test_ids_and_parents_arrive(self, batch: dict[int, Any], spans: list[ReadableSpan]) -> None:
        client, server = batch[2]
        for span in (client, server):
            assert (span[1], span[2]) == (-(1 << 63), signed(HIGH))
            assert span[7] == TraceFlags.SAMPLED
        assert client[3] == signed(spans[0].context.span_id) and server[3] == signed(spans[1].context.span_id)
        assert client[4] == server[3] and server[4] == signed(HIGH)
        child_of, follows = server[6]
        assert child_of == {1: 0, 2: -(1 << 63), 3: signed(HIGH), 4: signed(HIGH)}
        assert follows == {1: 1, 2: 5, 3: signed(HIGH), 4: signed(HIGH)}

    def test_names_and_times_arrive(self, batch: dict[int, Any]) -> None:
        client, server = batch[2]
        assert (client[5], server[5]) == ("GET", "GET /users/me")
        assert (client[8], client[9]) == (1_700_000_000_130_456, 10_000)
        assert (server[8], server[9]) == (1_700_000_000_123_456, 500_000)

    def test_attributes_arrive_as_tags(self, batch: dict[int, Any]) -> None:
        client, server = (tags(span[10]) for span in batch[2])
        assert server == {
            **ATTRIBUTES, "texts": '["a","b"]', "numbers": "[1,2]", "span.kind": "server", "otel.status_code": "OK",
            "otel.scope.name": "the-scope", "w3c.tracestate": "vendor=value",
        }  # fmt: skip
        assert type(server["yes"]) is bool and type(server["whole"]) is int
        assert client == {
            "span.kind": "client", "otel.status_code": "ERROR", "error": True, "otel.status_description": "refused",
            "otel.scope.name": "the-scope", "w3c.tracestate": "vendor=value",
        }  # fmt: skip

    def test_events_arrive_as_logs(self, batch: dict[int, Any]) -> None:
        client, server = batch[2]
        (log,) = server[11]
        assert log[1] == 1_700_000_000_200_456 and tags(log[2]) == {"event": "retried", "attempt": 2}
        assert 11 not in client

    def test_a_root_has_no_parent(self, collector: Service, session: SealedSession) -> None:
        ended = Ended()
        provider(ended).start_span("root").end()
        JaegerExporter(collector.url, session).send(ended.spans)
        (span,) = thrift.read(collector.last.body)[2]
        assert span[4] == 0 and 6 not in span and "span.kind" not in tags(span[10])

    def test_equal_values_of_other_types_stay_apart(self, collector: Service, session: SealedSession) -> None:
        """Tags are remembered, and 1 equals True."""
        values: list[Any] = [1, True, 1.0, "1", 0, False, 0.0, "0", 65_535, 65_536, -1, "a" * 127, "a" * 128]
        ended = Ended()
        for value in values * 2:
            provider(ended).start_span("odd", attributes={"odd": value}).end()
        JaegerExporter(collector.url, session).send(ended.spans)
        reported = [tags(span[10])["odd"] for span in thrift.read(collector.last.body)[2]]
        assert [(type(value), value) for value in reported] == [(type(value), value) for value in values * 2]

    @pytest.mark.parametrize("value", [1 << 63, -(1 << 70), "a\ud800b"], ids=["too large", "too small", "no unicode"])
    def test_odd_values_are_no_error(self, collector: Service, session: SealedSession, value: Any) -> None:
        ended = Ended()
        provider(ended).start_span("odd", attributes={"odd": value}).end()
        JaegerExporter(collector.url, session).send(ended.spans)
        (span,) = thrift.read(collector.last.body)[2]
        assert tags(span[10])["odd"] in (str(value), "a?b")


class TestOtlp:
    @pytest.mark.parametrize(
        ("environ", "path"),
        [
            ({"OTEL_EXPORTER_OTLP_ENDPOINT": "URL"}, b"/v1/traces"),
            ({"OTEL_EXPORTER_OTLP_ENDPOINT": "URL/base/"}, b"/base/v1/traces"),
            ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "URL/as/it/is"}, b"/as/it/is"),
            (
                {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "URL/own"},
                b"/own",
            ),
        ],
        ids=["base", "base with a path", "its own", "its own first"],
    )
    def test_the_endpoint_is_that_of_the_standard_settings(
        self,
        spans: list[ReadableSpan],
        collector: Service,
        session: SealedSession,
        environ: Mapping[str, str],
        path: bytes,
    ) -> None:
        there = {name: value.replace("URL", collector.url) for name, value in environ.items()}
        pipeline = span_pipeline(None, there, session, lambda count: None)
        assert pipeline is not None
        pipeline.start()
        for span in spans:
            pipeline.on_end(span)
        pipeline.close(1e9)
        assert [received.target for received in collector.requests] == [path]

    def test_a_batch_is_one_otlp_request(
        self, spans: list[ReadableSpan], collector: Service, session: SealedSession
    ) -> None:
        environ = {"OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Basic%20abc,x-other=1"}
        OtlpExporter(f"{collector.url}/v1/traces", environ, session).send(spans)
        received = collector.last
        assert received.header("Content-Type") == "application/x-protobuf"
        assert received.header("Authorization") == "Basic abc" and received.header("X-Other") == "1"
        assert received.header("Content-Encoding") is None
        (group,) = ExportTraceServiceRequest.FromString(received.body).resource_spans
        (scope,) = group.scope_spans
        assert [span.name for span in scope.spans] == ["GET", "GET /users/me"]
        assert scope.spans[0].parent_span_id == scope.spans[1].span_id
        assert {each.key for each in group.resource.attributes} == {"service.name", "service.version", "host.cpus"}

    @pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_COMPRESSION", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION"])
    def test_a_batch_is_compressed_where_asked(
        self, spans: list[ReadableSpan], collector: Service, session: SealedSession, name: str
    ) -> None:
        OtlpExporter(collector.url + "/v1/traces", {name: "gzip"}, session).send(spans)
        assert collector.last.header("Content-Encoding") == "gzip" and collector.last.body[:2] == b"\x1f\x8b"

    @pytest.mark.conformance("G1")
    def test_headers_that_can_not_be_read_are_not_quoted(
        self, collector: Service, session: SealedSession, spans: list[ReadableSpan], caplog: pytest.LogCaptureFixture
    ) -> None:
        environ = {"OTEL_EXPORTER_OTLP_HEADERS": "x-good=1,authorization=MARK-\u20ac,MARK-alone"}
        OtlpExporter(f"{collector.url}/v1/traces", environ, session).send(spans)
        assert collector.last.header("X-Good") == "1" and collector.last.header("Authorization") is None
        (record,) = caplog.records
        assert "OTEL_EXPORTER_OTLP_HEADERS" in record.getMessage() and "MARK" not in record.getMessage()

    def test_what_can_not_be_encoded_is_without_hope(self, collector: Service, session: SealedSession) -> None:
        with pytest.raises(PermanentFailure):
            OtlpExporter(collector.url, {}, session).send([object()])  # type: ignore[list-item]
        assert not collector.requests


JAEGER = "http://127.0.0.1:1/api/traces"
OTLP = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("jaeger", "environ", "ways"),
    [
        (None, {}, 0),
        (JAEGER, {}, 1),
        (None, OTLP, 1),
        (None, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/v1/traces"}, 1),
        (JAEGER, OTLP, 2),
        (JAEGER, {**OTLP, "OTEL_TRACES_EXPORTER": "none"}, 0),
        (JAEGER, {**OTLP, "OTEL_SDK_DISABLED": "true"}, 0),
        (JAEGER, {**OTLP, "OTEL_SDK_DISABLED": "false", "OTEL_TRACES_EXPORTER": "otlp"}, 2),
        (None, {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, 0),
    ],
    ids=["none", "jaeger", "otlp", "otlp for traces", "both", "not wanted", "disabled", "not disabled", "empty"],
)
def test_the_ways_out(session: SealedSession, jaeger: str | None, environ: Mapping[str, str], ways: int) -> None:
    """Both where both are set; each loses a span of its own when it is never started."""
    lost: list[int] = []
    pipeline = span_pipeline(jaeger, environ, session, lost.append)
    assert (pipeline is None) == (ways == 0)
    if pipeline is not None:
        provider(pipeline).start_span("one").end()
        pipeline.close(0)
    assert sum(lost) == ways


def test_what_is_not_sampled_is_not_sent(session: SealedSession) -> None:
    lost: list[int] = []
    pipeline = span_pipeline(JAEGER, {}, session, lost.append)
    assert pipeline is not None
    provider(pipeline, sampler=TraceIdRatioBased(0)).start_span("one").end()
    pipeline.close(0)
    assert not lost


@pytest.mark.parametrize(
    ("environ", "held"),
    [({}, 2048), ({"OTEL_BSP_MAX_QUEUE_SIZE": "10"}, 10), ({"OTEL_BSP_MAX_QUEUE_SIZE": "many"}, 2048),
     ({"OTEL_BSP_MAX_QUEUE_SIZE": "0"}, 2048)],
    ids=["by default", "as it says", "no number", "nothing"],
)  # fmt: skip
def test_the_queue_is_bounded_in_number(session: SealedSession, environ: Mapping[str, str], held: int) -> None:
    lost: list[int] = []
    pipeline = span_pipeline(JAEGER, environ, session, lost.append)
    assert pipeline is not None
    tracer = provider(pipeline)
    for _ in range(3000):
        tracer.start_span("one").end()
    assert sum(lost) == 3000 - held
    pipeline.close(0)
    assert sum(lost) == 3000


def test_the_queue_is_bounded_in_bytes(session: SealedSession) -> None:
    lost: list[int] = []
    pipeline = span_pipeline(JAEGER, {}, session, lost.append)
    assert pipeline is not None
    tracer = provider(pipeline)
    for _ in range(20):
        tracer.start_span("one", attributes={"url.path": "x" * (1 << 20)}).end()
    assert sum(lost) == 20 - 7
    pipeline.close(0)


def test_a_batch_is_bounded_in_number(collector: Service, session: SealedSession) -> None:
    environ = {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4", "OTEL_BSP_SCHEDULE_DELAY": "60000"}
    pipeline = span_pipeline(collector.url, environ, session, lambda count: None)
    assert pipeline is not None
    pipeline.start()
    gevent.sleep(0.01)
    tracer = provider(pipeline)
    for _ in range(10):
        tracer.start_span("one").end()
    gevent.sleep(0.1)  # the first four are enough for a batch; nobody waits for 60 seconds
    pipeline.close(1e9)
    assert [len(thrift.read(received.body)[2]) for received in collector.requests] == [4, 4, 2]
