from __future__ import annotations

import asyncio
import importlib
from types import ModuleType

import pytest
from adapter_world import Told


@pytest.fixture
def lc() -> ModuleType:
    """Loaded here, so that workers that collect this module do not pay for LangChain."""
    return importlib.import_module("langchain_scenes")


def test_a_turn_of_a_graph_is_one_run_with_its_steps(lc: ModuleType) -> None:
    told = Told()
    lc.graph_of("17").invoke({"question": "where is order 17?", "answer": ""}, lc.configured(told))

    assert told.counts("fleet.lifecycle") == {
        "agent_started": 1,
        "agent_thinking": 2,
        "tool_executing": 1,
        "tool_completed": 1,
        "agent_completed": 1,
    }
    assert {each["thread_id"] for each in told.of("fleet.lifecycle")} == {"thread-7"}
    assert len({each["run_id"] for _, each in told.records if "run_id" in each}) == 1
    (finished,) = told.of("fleet.runs", "run_finished")
    assert (finished["name"], finished["status"]) == ("orders", "success")
    assert {each["name"] for each in told.of("fleet.runs", "step")} >= {"think", "look_up"}
    (numbers,) = told.of("fleet.metrics")
    assert numbers["request_count"] == 1
    assert {each["name"]: each["value"] for each in numbers["custom"]} == {
        "tokens": 17,
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 5,
    }


async def test_many_turns_at_once_do_not_mix(lc: ModuleType) -> None:
    told = Told()
    graphs = [lc.graph_of(str(number + 1)) for number in range(8)]
    asked = [
        graph.ainvoke({"question": "?", "answer": ""}, lc.configured(told, f"thread-{at}"))
        for at, graph in enumerate(graphs)
    ]
    await asyncio.gather(*asked)

    by_run: dict[str, list[str]] = {}
    for each in told.of("fleet.lifecycle"):
        by_run.setdefault(each["run_id"], []).append(each["kind"])
    assert len(by_run) == 8
    assert all(len(kinds) == 6 and kinds[-1] == "agent_completed" for kinds in by_run.values())


def test_what_fails_is_told_with_its_cause_and_reaches_the_caller(lc: ModuleType) -> None:
    told = Told()
    with pytest.raises(LookupError):
        lc.graph_of("0").invoke({"question": "where is order 0?", "answer": ""}, lc.configured(told))

    (completed,) = told.of("fleet.lifecycle", "tool_completed")
    assert completed["status"] == "failure"
    (over,) = told.of("fleet.lifecycle", "agent_completed")
    assert over["status"] == "failure"
    codes = {(each["failure_type"], each["failure_code"]) for each in told.of("fleet.runs", "failure")}
    assert ("tool", "LookupError") in codes
    assert ("agent", "LookupError") in codes


def test_prompts_answers_and_arguments_are_not_kept(lc: ModuleType) -> None:
    told = Told()
    lc.echo_and_answer().invoke("my SECRET question", {"callbacks": [lc.ReporterCallbackHandler(told)]})
    lc.look_up.invoke({"order": "SECRET"}, {"callbacks": [lc.ReporterCallbackHandler(told)]})
    assert "SECRET" not in repr(told.records)


def test_equal_arguments_have_equal_digests(lc: ModuleType) -> None:
    told = Told()
    for order in ("1", "1", "2"):
        lc.look_up.invoke({"order": order}, {"callbacks": [lc.ReporterCallbackHandler(told)]})
    first, second, third = (each["arguments_hash"] for each in told.of("fleet.lifecycle", "tool_executing"))
    assert first == second != third


def test_a_model_that_is_called_alone_is_a_turn(lc: ModuleType) -> None:
    told = Told()
    lc.model_of(lc.answer("yes")).invoke("?", {"callbacks": [lc.ReporterCallbackHandler(told)]})
    assert told.kinds() == ["agent_started", "agent_thinking", "agent_completed"]


def test_tools_side_by_side_of_which_one_is_answered_as_an_error(lc: ModuleType) -> None:
    told = Told()
    lc.two_tools_at_once().invoke({"messages": []}, lc.configured(told))
    completed = {each["tool"]: each["status"] for each in told.of("fleet.lifecycle", "tool_completed")}
    assert completed == {"broken": "failure", "look_up": "success"}
    assert told.of("fleet.lifecycle", "agent_completed")[0]["status"] == "success"
    assert sorted(each["step_index"] for each in told.of("fleet.runs", "step")) == [0, 1, 2, 3]


def test_to_wait_for_a_person_is_no_failure(lc: ModuleType) -> None:
    told = Told()
    lc.asks_a_person().invoke({"messages": []}, lc.configured(told))
    assert told.of("fleet.runs", "failure") == []
    assert told.of("fleet.lifecycle", "agent_completed")[0]["status"] != "failure"


def test_a_stream_that_is_broken_off_is_cancelled(lc: ModuleType) -> None:
    told = Told()
    stream = lc.graph_of("1").stream({"question": "", "answer": ""}, lc.configured(told))
    next(stream)
    stream.close()
    (finished,) = told.of("fleet.runs", "run_finished")
    assert finished["status"] == "cancelled"
    assert told.of("fleet.lifecycle", "agent_completed")[0]["status"] is None
