from __future__ import annotations

from collections.abc import Iterator

import pytest
from adapter_world import Told
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Tracer

from producers.adapters.otel import ReporterSpanProcessor
from producers.sdk.place import Place, place

NOW_NS = 1_790_000_000_000_000_000
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look_up"}
AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "clerk", "gen_ai.conversation.id": "chat-1"}
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 1}


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def tracer(told: Told) -> Iterator[Tracer]:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(ReporterSpanProcessor(told))
    yield provider.get_tracer("test")
    provider.shutdown()


def test_an_agent_at_work(tracer: Tracer, told: Told) -> None:
    with tracer.start_as_current_span("invoke_agent clerk", attributes=AGENT) as span:
        trace_id = f"{span.get_span_context().trace_id:032x}"
        with tracer.start_as_current_span("chat fake", attributes=CHAT):
            pass
        with tracer.start_as_current_span("execute_tool look_up", attributes=TOOL):
            assert told.counts("fleet.lifecycle")["tool_executing"] == 1
            assert not told.of("fleet.lifecycle", "tool_completed")
    assert told.counts("fleet.lifecycle") == dict.fromkeys(
        ("agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed"), 1
    )
    assert {each["run_id"] for each in told.of("fleet.runs")} == {trace_id}
    assert {each["thread_id"] for each in told.of("fleet.lifecycle")} == {"chat-1"}
    assert told.of("fleet.runs", "run_finished")[0]["name"] == "clerk"
    assert {each["name"]: each["value"] for each in told.of("fleet.metrics")[0]["custom"]}["tokens"] == 10


def test_the_span_around_an_agents_work_is_the_turn(tracer: Tracer, told: Told) -> None:
    with tracer.start_as_current_span("POST /ask"):
        for _ in range(2):
            with tracer.start_as_current_span("chat", attributes=CHAT):
                pass
        assert not told.of("fleet.lifecycle", "agent_completed")
    assert told.counts("fleet.lifecycle") == {"agent_started": 1, "agent_thinking": 2, "agent_completed": 1}


def test_a_span_that_says_what_it_is_only_at_its_end(tracer: Tracer, told: Told) -> None:
    span = tracer.start_span("something", start_time=NOW_NS)
    span.set_attributes(TOOL)
    span.end(NOW_NS + 2_000_000)
    (begun,), (done,) = told.of("fleet.lifecycle", "tool_executing"), told.of("fleet.lifecycle", "tool_completed")
    assert begun["timestamp"] < done["timestamp"]
    assert done["latency_ms"] == 2


def test_spans_of_others_are_nothing(tracer: Tracer, told: Told) -> None:
    with tracer.start_as_current_span("GET /health"), tracer.start_as_current_span("SELECT"):
        pass
    assert told.records == []


def test_an_exception_is_a_failure_with_its_type(tracer: Tracer, told: Told) -> None:
    with (
        pytest.raises(LookupError),
        tracer.start_as_current_span("invoke_agent", attributes=AGENT),
        tracer.start_as_current_span("execute_tool", attributes=TOOL),
    ):
        raise LookupError("bobolink@example.com is gone")
    failures = told.of("fleet.runs", "failure")
    assert {each["failure_type"] for each in failures} == {"tool", "agent"}
    assert {each["failure_code"] for each in failures} == {"LookupError"}
    assert "bobolink" not in repr(told.records)
    assert told.of("fleet.lifecycle", "agent_completed")[0]["status"] == "failure"


def test_beats_and_violations_are_events_of_spans(tracer: Tracer, told: Told) -> None:
    with tracer.start_as_current_span("invoke_agent", attributes=AGENT) as span:
        span.add_event("fleet.heartbeat", {"fleet.progress": 3})
        span.add_event("fleet.violation", {"fleet.policy.id": "no-pii", "fleet.severity": "high"})
    assert told.of("fleet.heartbeats")[0]["progress"] == 3
    assert told.of("fleet.violations")[0]["severity"] == "high"


class _Broken:
    def emit(self, *given: object, **more: object) -> None:
        raise RuntimeError("out of order")


def test_a_reporter_that_fails_does_not_stop_the_agent(caplog: pytest.LogCaptureFixture) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(ReporterSpanProcessor(_Broken()))
    with provider.get_tracer("test").start_as_current_span("chat", attributes=CHAT):
        pass
    assert "could not report" in caplog.text
    provider.shutdown()


class _Working(Told):
    """A reporter whose author reports a turn of his own around what an adapter sees."""

    session_id = "a session"


def test_what_happens_within_the_authors_own_turn_is_part_of_it() -> None:
    told = _Working()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(ReporterSpanProcessor(told))
    tracer = provider.get_tracer("test")
    token = place.set(Place("a session", "turn-1", "chat-9", "turn-1"))
    with tracer.start_as_current_span("chat", attributes=CHAT):
        pass
    with tracer.start_as_current_span("execute_tool", attributes=TOOL):
        pass
    place.reset(token)
    provider.shutdown()
    assert told.counts("fleet.lifecycle") == dict.fromkeys(("agent_thinking", "tool_executing", "tool_completed"), 1)
    assert {(each["run_id"], each["thread_id"]) for each in told.of("fleet.lifecycle")} == {("turn-1", "chat-9")}
    assert [each["step_index"] for each in told.of("fleet.runs", "step")] == [0, 1]
    assert {each["name"]: each["value"] for each in told.of("fleet.metrics")[0]["custom"]}["tokens"] == 10
