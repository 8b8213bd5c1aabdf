"""The real OpenTelemetry SDK and its OTLP exporters against a real gateway over a real broker."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
from gateway_world import GatewayWorld, Row, create_topics
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from otlp_world import logs, operation, span, traces

from infra.broker.interface import Broker
from infra.broker.resolve import resolve_broker
from infra.runtime.settings import load_settings
from producers.gateway.routes.otlp import MOST_ITEMS

pytestmark = pytest.mark.asyncio(loop_scope="module")
PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}
AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.conversation.id": "chat-1"}
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look_up"}


@dataclass
class Served:
    """A gateway, a client of it, and the world behind."""

    world: GatewayWorld
    client: httpx.AsyncClient

    async def key(self, tenant: str | None, *agents: str) -> dict[str, str]:
        """The header of a new key that the gateway knows."""
        key = await self.world.key("ingest", tenant, *agents)
        async with asyncio.timeout(60):
            while (await self.client.get("/v1/events", headers=key)).status_code == 401:  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.02)
        return key

    async def of(self, topic: str, agent: str) -> list[Row]:
        """Records of an agent."""
        return [row for row in await self.world.read(topic) if row["agent_id"] == agent]

    def url(self, signal: str) -> str:
        return f"{self.client.base_url}".rstrip("/") + f"/v1/{signal}"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One for this module, with the catalogue's topics."""
    broker = resolve_broker("tansu", load_settings(data_dir=tmp_path_factory.mktemp("tansu")))
    try:
        broker.start()
        broker.wait_ready()
        asyncio.run(create_topics(broker.bootstrap))
        yield broker
    finally:
        broker.stop(deadline_s=5)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """One gateway for all tests here; each has agents of its own."""
    world = GatewayWorld(broker.bootstrap, tmp_path_factory.mktemp("otlp"))
    async with world.served() as client:
        yield Served(world, client)


def export_all(served: Served, key: dict[str, str], agent: str) -> None:
    """An instrumented agent as its author would write it: traces, metrics and logs, batched, one of them gzipped."""
    resource = Resource.create({"service.name": agent, "deployment.environment.name": "test", "host.name": "h-1"})
    spans = OTLPSpanExporter(served.url("traces"), headers=key, compression=Compression.Gzip)
    tracing = TracerProvider(resource=resource, shutdown_on_exit=False)
    tracing.add_span_processor(BatchSpanProcessor(spans))
    tracer = tracing.get_tracer("desk")
    with tracer.start_as_current_span("invoke_agent desk", attributes=AGENT):
        with tracer.start_as_current_span("execute_tool look_up", attributes=TOOL):
            pass
        with pytest.raises(LookupError), tracer.start_as_current_span("execute_tool look_up", attributes=TOOL):
            raise LookupError("no such order")
    tracing.shutdown()

    reader = PeriodicExportingMetricReader(OTLPMetricExporter(served.url("metrics"), headers=key))
    measuring = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    meter = measuring.get_meter("desk")
    meter.create_histogram("gen_ai.client.operation.duration", "s").record(0.25, {"gen_ai.operation.name": "chat"})
    meter.create_counter("orders").add(3)
    measuring.shutdown()

    logging_ = LoggerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPLogExporter(served.url("logs"), headers=key)
    logging_.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = logging_.get_logger("desk")
    logger.emit(body="the till is stuck", severity_text="ERROR", attributes={"till": 4})
    logger.emit(event_name="fleet.heartbeat", attributes={"fleet.progress": 2})
    logging_.shutdown()


async def test_an_instrumented_agent_is_an_agent_of_the_fleet(served: Served) -> None:
    key = await served.key("acme")
    await asyncio.to_thread(export_all, served, key, "desk")

    lifecycle = await served.of("fleet.lifecycle", "desk")
    kinds = [each["kind"] for each in sorted(lifecycle, key=lambda each: each["seq"])]
    assert kinds[0] == "agent_started"
    assert kinds[-1] == "agent_completed"
    assert sorted(kinds[1:-1]) == 2 * ["tool_completed"] + 2 * ["tool_executing"]
    assert {(each["user_id"], each["deployment_id"], each["thread_id"]) for each in lifecycle} == {
        ("acme", "test", "chat-1")
    }
    failures = [each for each in await served.of("fleet.runs", "desk") if each["kind"] == "failure"]
    assert [each["failure_code"] for each in failures] == ["LookupError"]
    (numbers,) = await served.of("fleet.metrics", "desk")
    assert numbers["response_time"] == pytest.approx(250)
    assert {"name": "orders", "value": 3.0} in numbers["custom"]
    (line,) = await served.of("fleet.logs", "desk")
    assert (line["level"], line["message"], line["metadata"]) == (
        "error", "the till is stuck", [{"name": "till", "value": "4"}],
    )  # fmt: skip
    (beat,) = await served.of("fleet.heartbeats", "desk")
    assert (beat["progress"], beat["gateway"]) == (2, "gate-1")


def finished_spans(service: str) -> Sequence[ReadableSpan]:
    """Spans of an agent's turn, as an exporter is given them."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": service}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("desk")
    with (
        tracer.start_as_current_span("invoke_agent", attributes=AGENT),
        tracer.start_as_current_span("execute_tool", attributes=TOOL),
    ):
        pass
    provider.shutdown()
    return memory.get_finished_spans()


async def test_a_request_that_is_sent_again_is_the_same_events(served: Served) -> None:
    key = await served.key("acme")
    body = encode_spans(finished_spans("again")).SerializeToString()
    for packed in (body, gzip.compress(body)):
        encoding = {"Content-Encoding": "gzip"} if packed is not body else {}
        answer = await served.client.post("/v1/traces", content=packed, headers={**key, **PROTOBUF, **encoding})
        assert (answer.status_code, answer.headers["content-type"], answer.content) == (
            200, "application/x-protobuf", b"",
        )  # fmt: skip
    for topic in ("fleet.lifecycle", "fleet.runs"):
        found = await served.of(topic, "again")
        marks = [(each["session_id"], each["seq"], each["event_id"]) for each in found]
        assert len(marks) == 2 * len(set(marks))
    sessions = {each["session_id"] for each in found}
    assert len(sessions) == 1


async def post(served: Served, key: dict[str, str], document: dict[str, Any], signal: str = "traces") -> httpx.Response:
    return await served.client.post(f"/v1/{signal}", content=json.dumps(document), headers={**key, **JSON})


def now(document: dict[str, Any]) -> dict[str, Any]:
    """Without times: they are now."""
    for resource in document["resourceSpans"]:
        for each in resource["scopeSpans"][0]["spans"]:
            each.update(startTimeUnixNano="0", endTimeUnixNano="0")
    return document


async def test_what_is_not_taken_is_counted_and_the_rest_taken(served: Served) -> None:
    key = await served.key("acme", "part-*")
    bad = {**span(2, None, (1, 0), operation("chat")), "traceId": "00" * 16}
    good = span(1, None, (1, 0), operation("chat"))
    document = now(traces(bad, good, service__name="part-1"))
    document["resourceSpans"] += now(traces(good, service__name="part-1", fleet__user__id="rival"))["resourceSpans"]
    document["resourceSpans"] += now(traces(good, service__name="another"))["resourceSpans"]
    answer = await post(served, key, document)
    assert answer.status_code == 200
    partial = answer.json()["partialSuccess"]
    assert partial["rejectedSpans"] == "3"
    assert "another tenant" in partial["errorMessage"]
    assert len(await served.of("fleet.lifecycle", "part-1")) == 3
    assert await served.of("fleet.lifecycle", "another") == []


async def test_another_tenants_name_is_refused(served: Served) -> None:
    key = await served.key("acme")
    record = {"body": {"stringValue": "x"}}
    for attribute in ("fleet__user__id", "fleet__tenant"):
        answer = await post(served, key, logs(record, service__name="spy", **{attribute: "rival"}), "logs")
        assert (answer.status_code, answer.json()["type"]) == (403, "other-name")
    assert await served.of("fleet.logs", "spy") == []
    answer = await post(served, {**key, "X-Agent-Id": "named"}, logs(record), "logs")
    assert answer.status_code == 200
    assert [each["user_id"] for each in await served.of("fleet.logs", "named")] == ["acme"]


async def test_an_agent_of_another_tenant_is_not_written_for(served: Served) -> None:
    record = {"body": {"stringValue": "x"}}
    assert (
        await post(served, await served.key("acme"), logs(record, service__name="theirs"), "logs")
    ).status_code == 200
    rival = await served.key("rival")
    assert (await post(served, rival, logs(record, service__name="theirs"), "logs")).status_code == 403
    sub = now(traces(span(1, None, (1, 0), operation("chat", gen_ai__agent__id="theirs")), service__name="ours"))
    assert (await post(served, rival, sub)).status_code == 200
    assert {each["user_id"] for each in await served.of("fleet.logs", "theirs")} == {"acme"}
    assert await served.of("fleet.lifecycle", "theirs") == []
    assert {each["user_id"] for each in await served.of("fleet.lifecycle", "ours")} == {"rival"}


async def test_what_cannot_be_read_is_400_and_never_a_fault(served: Served) -> None:
    key = await served.key("acme")
    for body in (b"\xff\xff\xff", b"\x0a\xff\xff\xff\xff\x0f", b"not at all"):
        answer = await served.client.post("/v1/metrics", content=body, headers={**key, **PROTOBUF})
        assert answer.status_code == 400
        assert Status.FromString(answer.content).code == 3
    for text in (b"{", b"[]", b'{"resourceMetrics": 1}', b"[" * 50_000, b'{"a":' * 900 + b"1" + b"}" * 900):
        answer = await served.client.post("/v1/metrics", content=text, headers={**key, **JSON})
        assert (answer.status_code, answer.json()["code"]) == (400, 3)
    many = ExportTraceServiceRequest()
    many.resource_spans.add().scope_spans.add().spans.extend([Span()] * MOST_ITEMS)  # and the resource: two bytes each
    answer = await served.client.post("/v1/traces", content=many.SerializeToString(), headers={**key, **PROTOBUF})
    assert (answer.status_code, Status.FromString(answer.content).code) == (400, 3)
    answer = await served.client.post("/v1/traces", content=b"{}", headers={**key, "Content-Type": "text/plain"})
    assert answer.status_code == 415
    assert (await served.client.post("/v1/traces", content=b"", headers={**key, **PROTOBUF})).status_code == 200
    answer = await served.client.post(
        "/v1/traces", content=b"not gzip", headers={**key, **PROTOBUF, "Content-Encoding": "gzip"}
    )
    assert answer.status_code == 400


async def test_without_a_key_nothing_is_taken(served: Served) -> None:
    for signal in ("traces", "metrics", "logs"):
        assert (await served.client.post(f"/v1/{signal}", content=b"", headers=PROTOBUF)).status_code == 401
    viewer = await served.world.key("viewer", "acme")
    async with asyncio.timeout(60):
        while (await served.client.post("/v1/logs", content=b"", headers={**viewer, **PROTOBUF})).status_code == 401:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.02)
    assert (await served.client.post("/v1/logs", content=b"", headers={**viewer, **PROTOBUF})).status_code == 403
