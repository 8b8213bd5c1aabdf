"""Whatever an export request holds: it is malformed, or it becomes events that fit their schemas."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint, Metric, NumberDataPoint
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from otlp_world import NOW_NS, NOW_US, principal_of

from producers.gateway.encode import encode_event
from producers.otlp import genai
from producers.otlp.decode import MalformedError, Signal, decode_request
from producers.otlp.event import Mapped
from producers.otlp.export import Exporter

QUICK = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
NAMES = st.sampled_from(
    [
        *genai.KEPT,
        "gen_ai.tool.name",
        "gen_ai.conversation.id",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "openinference.span.kind",
        "service.name",
        "host.name",
        "fleet.user.id",
        "fleet.agent.id",
        "fleet.progress",
        "fleet.interval_s",
        "fleet.context.x",
        "event.name",
        "state",
        "cpu",
        "error.type",
        "",
        "x" * 500,
    ]
)
OPERATIONS = st.sampled_from(["invoke_agent", "execute_tool", "chat", "embeddings", "nonsense", "AGENT"])
NUMBERS = st.floats() | st.sampled_from([0.0, 1.0, 1.7e308, -1.7e308, 5e-324, math.inf, -math.inf, math.nan])
TIMES = st.sampled_from([0, 1, NOW_NS, NOW_NS - 10**9, NOW_NS + 10**9, 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1)
TEXTS = st.text(max_size=20) | st.sampled_from(["x" * 20_000, "\0", "acme", "clerk", "a\nb", "𝕏" * 3000])
IDS = st.sampled_from([b"", b"\0" * 16, b"\0" * 8, b"a" * 16, b"b" * 8, b"c" * 8, b"d" * 3])
VALUES = st.recursive(
    st.builds(AnyValue, string_value=TEXTS)
    | st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1))
    | st.builds(AnyValue, double_value=NUMBERS)
    | st.builds(AnyValue, bool_value=st.booleans())
    | st.builds(AnyValue, bytes_value=st.binary(max_size=20))
    | st.just(AnyValue()),
    lambda inner: (
        st.builds(AnyValue, array_value=st.builds(ArrayValue, values=st.lists(inner, max_size=3)))
        | st.builds(
            AnyValue,
            kvlist_value=st.builds(
                KeyValueList, values=st.lists(st.builds(KeyValue, key=TEXTS, value=inner), max_size=3)
            ),
        )
    ),
    max_leaves=6,
)
KINDS = st.builds(KeyValue, key=st.just("gen_ai.operation.name"), value=st.builds(AnyValue, string_value=OPERATIONS))
ATTRIBUTES = st.lists(KINDS | st.builds(KeyValue, key=NAMES | TEXTS, value=VALUES), max_size=6)
EVENTS = st.builds(
    Span.Event,
    name=st.sampled_from(["fleet.heartbeat", "fleet.violation", "exception", ""]),
    time_unix_nano=TIMES,
    attributes=ATTRIBUTES,
)
SPANS = st.builds(
    Span,
    trace_id=IDS,
    span_id=IDS,
    parent_span_id=IDS,
    name=TEXTS,
    start_time_unix_nano=TIMES,
    end_time_unix_nano=TIMES,
    attributes=ATTRIBUTES,
    events=st.lists(EVENTS, max_size=2),
    status=st.builds(Status, code=st.sampled_from([0, 1, 2]), message=TEXTS),
)
METRIC_NAMES = st.sampled_from(
    [
        "system.cpu.utilization",
        "system.memory.usage",
        "system.memory.limit",
        "system.memory.utilization",
        "system.cpu.logical.count",
        "system.process.count",
        "process.cpu.utilization",
        "process.uptime",
        "gen_ai.client.operation.duration",
        "http.server.duration",
        "fleet.trust_score",
        "mine",
        "",
    ]
)
POINTS = st.lists(
    st.builds(NumberDataPoint, as_double=NUMBERS, time_unix_nano=TIMES, attributes=ATTRIBUTES, flags=st.integers(0, 3))
    | st.builds(NumberDataPoint, as_int=st.integers(-(2**63), 2**63 - 1), time_unix_nano=st.just(NOW_NS)),
    max_size=4,
)
HISTOGRAMS = st.lists(
    st.builds(
        HistogramDataPoint,
        count=st.integers(0, 2**64 - 1),
        sum=NUMBERS,
        time_unix_nano=TIMES,
        start_time_unix_nano=TIMES,
        attributes=ATTRIBUTES,
    ),
    max_size=3,
)


@st.composite
def measured(draw: st.DrawFn) -> Metric:
    metric = Metric(name=draw(METRIC_NAMES | TEXTS), unit=draw(st.sampled_from(["s", "ms", "1", ""])))
    shape = draw(st.sampled_from(["gauge", "sum", "histogram", "none"]))
    if shape in {"gauge", "sum"}:
        getattr(metric, shape).data_points.extend(draw(POINTS))
    elif shape == "histogram":
        metric.histogram.aggregation_temporality = draw(st.sampled_from([0, 1, 2]))
        metric.histogram.data_points.extend(draw(HISTOGRAMS))
    return metric


RECORDS = st.builds(
    LogRecord,
    time_unix_nano=TIMES,
    severity_number=st.integers(-(2**31), 2**31 - 1),
    severity_text=TEXTS,
    body=VALUES,
    attributes=ATTRIBUTES,
    trace_id=IDS,
    event_name=TEXTS | st.sampled_from(["fleet.heartbeat", "fleet.violation", "gen_ai.choice"]),
)


def fits(result: Mapped) -> None:
    """Every event can be encoded, and nothing is in another's name."""
    for seq, event in enumerate(result.events):
        assert event.user_id in {None, "acme"}
        envelope = {
            "event_id": bytes(16),
            "agent_id": event.agent_id,
            "user_id": "acme",
            "deployment_id": event.deployment_id,
            "timestamp": event.timestamp_us,
            "session_id": "s",
            "seq": seq,
        }
        encode_event(event.topic, envelope, event.fields)
    assert result.rejected.total() <= result.seen
    json.dumps(result.message())


def exported(signal: Signal, request: Any) -> Mapped:  # noqa: ANN401  # of the signal's type
    read = decode_request(signal, "protobuf", request.SerializeToString())
    exporter = Exporter()
    first, second = (exporter.map(signal, read, principal_of(), NOW_US) for _ in range(2))
    assert [each.topic for each in first.events] == [each.topic for each in second.events], "a second try is the same"
    return first


def with_resource(request: Any, field: str, attributes: list[KeyValue]) -> Any:  # noqa: ANN401  # of the signal's type
    resource = getattr(request, field).add()
    resource.resource.attributes.extend(
        [KeyValue(key="service.name", value=AnyValue(string_value="clerk")), *attributes]
    )
    return resource


@QUICK
@given(ATTRIBUTES, st.lists(SPANS, max_size=6))
def test_spans(resource: list[KeyValue], given_spans: list[Span]) -> None:
    request = ExportTraceServiceRequest()
    with_resource(request, "resource_spans", resource).scope_spans.add().spans.extend(given_spans)
    fits(exported("traces", request))


@QUICK
@given(ATTRIBUTES, st.lists(measured(), max_size=6))
def test_metrics(resource: list[KeyValue], given_metrics: list[Metric]) -> None:
    request = ExportMetricsServiceRequest()
    with_resource(request, "resource_metrics", resource).scope_metrics.add().metrics.extend(given_metrics)
    fits(exported("metrics", request))


@QUICK
@given(ATTRIBUTES, st.lists(RECORDS, max_size=6))
def test_logs(resource: list[KeyValue], records: list[LogRecord]) -> None:
    request = ExportLogsServiceRequest()
    with_resource(request, "resource_logs", resource).scope_logs.add().log_records.extend(records)
    fits(exported("logs", request))


SIGNALS = st.sampled_from(["traces", "metrics", "logs"])
FIELDS = st.sampled_from(
    ["resourceSpans", "scopeSpans", "spans", "traceId", "attributes", "key", "value", "stringValue", "resourceLogs"]
)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS | st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@QUICK
@given(SIGNALS, st.binary(max_size=200))
@example("traces", b"")
def test_any_bytes(signal: Signal, body: bytes) -> None:
    for encoding in ("protobuf", "json"):
        try:
            request = decode_request(signal, encoding, body)
        except MalformedError:
            continue
        fits(Exporter().map(signal, request, principal_of(), NOW_US))


@QUICK
@given(SIGNALS, DOCUMENTS)
def test_any_json(signal: Signal, document: object) -> None:
    try:
        request = decode_request(signal, "json", json.dumps(document).encode())
    except MalformedError:
        return
    fits(Exporter().map(signal, request, principal_of(), NOW_US))
