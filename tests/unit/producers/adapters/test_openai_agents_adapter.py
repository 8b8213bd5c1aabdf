from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType

import pytest
from adapter_world import Told


@pytest.fixture
def oa() -> ModuleType:
    """Loaded here, so that workers that collect this module do not pay for the SDK."""
    return importlib.import_module("openai_agents_scenes")


@pytest.fixture
def told(oa: ModuleType) -> Iterator[Told]:
    known = Told()
    oa.told_to(known)
    yield known
    oa.agents.set_trace_processors([])


async def test_a_run_with_a_tool_is_one_turn(oa: ModuleType, told: Told) -> None:
    model = oa.FakeModel(oa.call("weather", '{"city": "Oslo"}'), oa.message("Sunny."))
    result = await oa.agents.Runner.run(
        oa.agents.Agent(name="clerk", tools=[oa.weather]), "weather?", run_config=oa.run_config(model)
    )

    assert result.final_output == "Sunny."
    assert told.counts("fleet.lifecycle") == {
        "agent_started": 1,
        "agent_thinking": 2,
        "tool_executing": 1,
        "tool_completed": 1,
        "agent_completed": 1,
    }
    assert told.kinds()[0] == "agent_started"
    assert told.kinds()[-1] == "agent_completed"
    assert {each["thread_id"] for each in told.of("fleet.lifecycle")} == {"chat-9"}
    (executing,) = told.of("fleet.lifecycle", "tool_executing")
    assert executing["tool"] == "weather"
    (finished,) = told.of("fleet.runs", "run_finished")
    assert (finished["name"], finished["status"]) == ("weather desk", "success")
    assert "clerk" in {each["name"] for each in told.of("fleet.runs", "step")}
    custom = {each["name"]: each["value"] for each in told.of("fleet.metrics")[0]["custom"]}
    assert custom["tokens"] == 68


async def test_a_tool_that_raises_fails_the_tool(oa: ModuleType, told: Told) -> None:
    model = oa.FakeModel(oa.call("broken", "{}"), oa.message("never said"))
    with pytest.raises(Exception, match="no weather today"):
        await oa.agents.Runner.run(
            oa.agents.Agent(name="clerk", tools=[oa.broken]), "weather?", run_config=oa.run_config(model)
        )
    (completed,) = told.of("fleet.lifecycle", "tool_completed")
    assert completed["status"] == "failure"
    assert told.of("fleet.lifecycle", "agent_completed")


async def test_a_model_that_fails_is_a_failure_of_the_run(oa: ModuleType, told: Told) -> None:
    model = oa.FakeModel(RuntimeError("overloaded"))
    with pytest.raises(RuntimeError):
        await oa.agents.Runner.run(oa.agents.Agent(name="clerk"), "weather?", run_config=oa.run_config(model))
    assert "model" in {each["failure_type"] for each in told.of("fleet.runs", "failure")}
    (over,) = told.of("fleet.lifecycle", "agent_completed")
    assert over["status"] == "failure"


async def test_a_guardrail_that_trips_is_a_violation(oa: ModuleType, told: Told) -> None:
    def no_weather(*given: object) -> object:
        return oa.agents.GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    agent = oa.agents.Agent(name="clerk", input_guardrails=[oa.agents.InputGuardrail(guardrail_function=no_weather)])
    with pytest.raises(oa.agents.InputGuardrailTripwireTriggered):
        await oa.agents.Runner.run(agent, "weather?", run_config=oa.run_config(oa.FakeModel(oa.message("x"))))
    (violation,) = told.of("fleet.violations")
    assert (violation["policy_id"], violation["action"]) == ("no_weather", "blocked")


async def test_what_users_say_is_not_kept(oa: ModuleType, told: Told) -> None:
    model = oa.FakeModel(oa.call("weather", '{"city": "SECRET"}'), oa.message("SECRET"))
    await oa.agents.Runner.run(
        oa.agents.Agent(name="clerk", tools=[oa.weather]), "SECRET?", run_config=oa.run_config(model)
    )
    assert "SECRET" not in repr(told.records)
