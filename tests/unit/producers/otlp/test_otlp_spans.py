from __future__ import annotations

from otlp_world import NOW_US, TRACE, mapped, of, operation, principal_of, span, traces

from producers.otlp.event import Mapped

AGENT = operation("invoke_agent", gen_ai__agent__name="Clerk", gen_ai__conversation__id="chat-1")
TOOL = operation("execute_tool", gen_ai__tool__name="look_up")
CHAT = operation("chat", gen_ai__provider__name="fake", gen_ai__usage__input_tokens=9, gen_ai__usage__output_tokens=1)
ERROR = {"status": {"code": 2, "message": "no such order of bob@example.com"}}


def kinds(result: Mapped) -> list[str]:
    return [each.fields["kind"] for each in of(result, "fleet.lifecycle")]


def test_a_turn_with_its_model_and_tool() -> None:
    result = mapped(
        "traces",
        traces(
            span(2, 1, (900, 600), CHAT), span(3, 1, (500, 200), TOOL), span(1, None, (1000, 0), AGENT, name="invoke")
        ),
    )
    assert kinds(result) == ["agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed"]
    assert {each.agent_id for each in result.events} == {"clerk"}
    assert {each.fields["run_id"] for each in of(result, "fleet.lifecycle")} == {TRACE}
    assert {each.fields["thread_id"] for each in of(result, "fleet.lifecycle")} == {"chat-1"}
    (finished,) = of(result, "fleet.runs", "run_finished")
    assert (finished.fields["name"], finished.fields["status"], finished.fields["latency_ms"]) == (
        "Clerk",
        "success",
        1000.0,
    )
    assert finished.timestamp_us == NOW_US
    assert [each.fields["latency_ms"] for each in of(result, "fleet.runs", "step")] == [300.0, 300.0]
    (numbers,) = of(result, "fleet.metrics")
    assert numbers.fields["custom"] == {
        "tokens": 10.0,
        "gen_ai.usage.input_tokens": 9.0,
        "gen_ai.usage.output_tokens": 1.0,
    }
    assert not result.rejected


def test_older_names_of_the_conventions() -> None:
    older = {"gen_ai.system": "openai", "gen_ai.usage.prompt_tokens": 3, "gen_ai.usage.completion_tokens": 4}
    result = mapped("traces", traces(span(1, None, (10, 0), older, name="chat gpt")))
    assert kinds(result) == ["agent_started", "agent_thinking", "agent_completed"]
    (step,) = of(result, "fleet.runs", "step")
    assert step.fields["attributes"]["gen_ai.provider.name"] == "openai"
    assert of(result, "fleet.metrics")[0].fields["custom"]["tokens"] == 7


def test_names_of_other_instrumentations() -> None:
    result = mapped(
        "traces",
        traces(
            span(1, None, (10, 0), {"openinference.span.kind": "AGENT"}),
            span(2, 1, (9, 1), {"openinference.span.kind": "TOOL", "tool.name": "find"}),
            span(3, 1, (9, 1), {"traceloop.span.kind": "tool", "traceloop.entity.name": "seek"}),
        ),
    )
    assert {each.fields["tool"] for each in of(result, "fleet.lifecycle", "tool_executing")} == {"find", "seek"}


def test_a_failure_is_told_with_its_cause() -> None:
    result = mapped(
        "traces",
        traces(
            span(1, None, (10, 0), AGENT, **ERROR),
            span(2, 1, (9, 1), {**TOOL, "error.type": "LookupError"}, **ERROR),
        ),
    )
    (done,) = of(result, "fleet.lifecycle", "tool_completed")
    assert done.fields["status"] == "failure"
    assert of(result, "fleet.lifecycle", "agent_completed")[0].fields["status"] == "failure"
    failures = {each.fields["failure_type"]: each.fields for each in of(result, "fleet.runs", "failure")}
    assert failures["tool"]["failure_code"] == "LookupError"
    assert failures["tool"]["message"] == "no such order of [EMAIL]"
    assert failures["agent"]["failure_code"] == "error"


def test_a_tool_whose_turn_is_not_in_the_request_begins_it_as_well() -> None:
    result = mapped("traces", traces(span(3, 1, (500, 200), TOOL), span(4, 1, (190, 150), TOOL)))
    assert kinds(result) == ["agent_started", *2 * ["tool_executing", "tool_completed"]]


def test_a_request_to_a_model_alone_within_a_web_request_opens_no_turn() -> None:
    result = mapped("traces", traces(span(3, 1, (500, 200), CHAT)))
    assert kinds(result) == []
    assert len(of(result, "fleet.runs", "step")) == 1


def test_an_agent_within_an_agent_is_a_step() -> None:
    inner = operation("invoke_agent", gen_ai__agent__name="Helper")
    result = mapped(
        "traces", traces(span(1, None, (10, 0), AGENT), span(2, 1, (8, 2), inner), span(3, 2, (7, 3), TOOL))
    )
    assert kinds(result).count("agent_started") == 1
    assert "Helper" in {each.fields["name"] for each in of(result, "fleet.runs", "step")}


def test_an_agents_id_on_its_span_is_the_agent_of_what_is_within() -> None:
    named = {**AGENT, "gen_ai.agent.id": "clerk-2"}
    result = mapped("traces", traces(span(1, None, (10, 0), named), span(2, 1, (8, 2), TOOL)))
    tools = of(result, "fleet.lifecycle", "tool_executing")
    assert {each.agent_id for each in tools} == {"clerk-2"}
    of_service = [each.fields["kind"] for each in of(result, "fleet.lifecycle") if each.agent_id == "clerk"]
    assert of_service == ["agent_started", "agent_completed"]


def test_what_is_no_work_of_an_agent_is_taken_and_nothing() -> None:
    result = mapped("traces", traces(span(1, None, (10, 0), {"http.request.method": "GET"})))
    assert (result.events, result.rejected.total(), result.seen) == ([], 0, 1)


def test_what_users_said_is_not_kept() -> None:
    secrets = {
        "gen_ai.input.messages": "SECRET",
        "gen_ai.prompt.0.content": "SECRET",
        "gen_ai.tool.call.arguments": "SECRET",
        "input.value": "SECRET",
    }
    result = mapped(
        "traces", traces(span(1, None, (10, 0), {**AGENT, **secrets}), span(2, 1, (9, 1), {**TOOL, **secrets}))
    )
    assert "SECRET" not in repr(result.events)
    assert of(result, "fleet.lifecycle", "tool_executing")[0].fields["arguments_hash"] is not None


def test_ids_and_times_that_cannot_be_are_rejected_one_by_one() -> None:
    zero = {**span(1, None, (10, 0), AGENT), "traceId": "0" * 32}
    short = {**span(1, None, (10, 0), AGENT), "spanId": "ab"}
    far = {**span(1, None, (10, 0), AGENT), "endTimeUnixNano": "18446744073709551615"}
    good = span(9, None, (10, 0), AGENT)
    result = mapped("traces", traces(zero, short, far, good))
    assert result.rejected.total() == 3
    assert len(of(result, "fleet.runs", "run_finished")) == 1
    assert "no valid trace and span id" in result.message()


def test_a_span_that_ends_before_it_begins_has_no_latency() -> None:
    result = mapped("traces", traces(span(1, None, (0, 10), AGENT)))
    (over,) = of(result, "fleet.lifecycle", "agent_completed")
    assert over.fields["latency_ms"] is None


def test_a_ring_of_parents_has_an_end() -> None:
    result = mapped("traces", traces(span(1, 2, (10, 0), TOOL), span(2, 1, (10, 0), TOOL), span(3, 3, (1, 0), CHAT)))
    assert len(of(result, "fleet.lifecycle", "tool_completed")) == 2


def test_beats_and_violations_are_events_of_spans() -> None:
    events = [
        {"name": "fleet.heartbeat", "timeUnixNano": str(NOW_US * 1000)},
        {"name": "fleet.violation", "attributes": [{"key": "fleet.policy.id", "value": {"stringValue": "no-pii"}}]},
        {"name": "something else"},
    ]
    result = mapped("traces", traces(span(1, None, (10, 0), AGENT, events=events)))
    assert [each.fields["status"] for each in of(result, "fleet.heartbeats")] == ["healthy"]
    assert [each.fields["policy_id"] for each in of(result, "fleet.violations")] == ["no-pii"]


def test_the_key_of_one_agent_names_all() -> None:
    named = {**AGENT, "gen_ai.agent.id": "other"}
    result = mapped("traces", traces(span(1, None, (10, 0), named)), principal_of("acme", "mine"))
    assert {each.agent_id for each in result.events} == {"mine"}
