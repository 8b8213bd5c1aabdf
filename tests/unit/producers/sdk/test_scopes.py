"""Scopes: what they report, in which order, under which ids, and that they change nothing for their host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sdk_world import agent, kinds, queued

from producers.sdk import AgentReporter
from producers.sdk.place import here


@pytest.fixture
def reporter(tmp_path: Path) -> AgentReporter:
    """Not started, and not due to beat."""
    made = agent(tmp_path)
    made.heartbeat()
    queued(made)
    return made


def test_a_run_with_steps_and_tools_is_one_turn(reporter: AgentReporter) -> None:
    with reporter.run("nightly", thread_id="thread") as run, reporter.step("load"), reporter.tool("sql", deadline_s=5):
        assert here(reporter.session_id) is not None
    events = queued(reporter)
    assert [fields["kind"] for _, fields in events] == [
        *("agent_started", "run_started", "agent_thinking", "tool_executing", "tool_completed", "step"),
        *("run_finished", "agent_completed"),
    ]
    assert {fields["run_id"] for _, fields in events} == {run.run_id}
    assert {fields["thread_id"] for _, fields in events if "thread_id" in fields} == {"thread"}
    step = next(fields for _, fields in events if fields["kind"] == "step")
    assert (step["name"], step["step_index"], step["status"]) == ("load", 0, "success")
    executing, completed = (fields for _, fields in events if str(fields["kind"]).startswith("tool"))
    assert executing["tool_call_id"] == completed["tool_call_id"]
    assert executing["deadline_s"] == 5
    assert here(reporter.session_id) is None


@pytest.mark.parametrize("kind", ["tool", "step", "track_message_sent"])
def test_what_stands_alone_gets_a_turn_around_it(reporter: AgentReporter, kind: str) -> None:
    with getattr(reporter, kind)("alone"):
        pass
    told = kinds(reporter)
    assert (told[0], told[-1]) == ("agent_started", "agent_completed")


def test_a_task_within_a_run_belongs_to_its_turn(reporter: AgentReporter) -> None:
    with reporter.run("outer") as outer, reporter.track_task("inner") as inner, reporter.tool("t"):
        assert inner.run_id == outer.run_id
    assert kinds(reporter).count("agent_started") == 1


def test_a_run_within_a_run_has_rows_of_its_own_and_no_turn(reporter: AgentReporter) -> None:
    with reporter.run("outer") as outer, reporter.run("inner") as inner, reporter.step("s"):
        pass
    events = queued(reporter)
    assert [fields["kind"] for _, fields in events].count("agent_started") == 1
    (started,) = [f for _, f in events if f["kind"] == "run_started" and f["run_id"] == inner.run_id]
    assert started["attributes"] == {"parent_run_id": outer.run_id}
    (step,) = [fields for _, fields in events if fields["kind"] == "step"]
    assert step["run_id"] == inner.run_id
    assert {f["run_id"] for topic, f in events if topic == "fleet.lifecycle"} == {outer.run_id}


def test_an_exception_is_one_failure_and_goes_on(reporter: AgentReporter) -> None:
    error = ValueError("the secret is mellon")
    with pytest.raises(ValueError, match="mellon") as caught, reporter.run("r"), reporter.step("s"), reporter.tool("t"):
        raise error
    assert caught.value is error
    events = queued(reporter)
    (failure,) = [fields for _, fields in events if fields["kind"] == "failure"]
    assert (failure["failure_type"], failure["failure_code"], failure["message"]) == ("tool", "ValueError", None)
    assert {f["status"] for _, f in events if f.get("status") is not None} == {"failure"}
    assert "mellon" not in str(events)


def test_a_timeout_has_its_code(reporter: AgentReporter) -> None:
    with pytest.raises(TimeoutError), reporter.tool("t"):
        raise TimeoutError
    assert [f["failure_code"] for _, f in queued(reporter) if f.get("kind") == "failure"] == ["timeout"]


async def test_cancelling_is_no_failure(reporter: AgentReporter) -> None:
    async def work() -> None:
        async with reporter.run("r"):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    events = queued(reporter)
    assert [f["status"] for _, f in events if f["kind"] == "run_finished"] == ["cancelled"]
    assert not [f for _, f in events if f["kind"] == "failure"]


async def test_tasks_at_once_do_not_mix(reporter: AgentReporter) -> None:
    @reporter.tool()
    async def look_up(question: str) -> str:
        await asyncio.sleep(0)
        return question

    async def turn(number: int) -> tuple[str, str]:
        async with reporter.track_task(thread_id=f"thread-{number}") as task:
            await look_up("q")
            return task.run_id, task.thread_id

    turns = await asyncio.gather(*(turn(number) for number in range(20)))
    events = queued(reporter)
    for run_id, thread_id in turns:
        own = [f for _, f in events if f["run_id"] == run_id]
        assert {f["thread_id"] for f in own} == {thread_id}
        assert [f["kind"] for f in own] == ["agent_started", "tool_executing", "tool_completed", "agent_completed"]


async def test_a_thread_of_asyncio_stays_in_the_run(reporter: AgentReporter) -> None:
    def work() -> str:
        with reporter.tool("t") as tool:
            return tool.run_id

    async with reporter.run("r") as run:
        assert await asyncio.to_thread(work) == run.run_id


def test_decorated_functions_stay_what_they_were(reporter: AgentReporter) -> None:
    @reporter.tool()
    def add(left: int, right: int = 1) -> int:
        """Sum."""
        return left + right

    assert add(1, right=2) == 3
    assert (add.__name__, add.__doc__) == ("add", "Sum.")
    assert [f["tool"] for _, f in queued(reporter) if f.get("tool")] == ["add", "add"]


def test_a_decorator_may_be_used_again_and_again(reporter: AgentReporter) -> None:
    @reporter.track_task("turn")
    def answer(depth: int) -> int:
        return answer(depth - 1) if depth else 0

    answer(3)
    answer(0)
    assert kinds(reporter).count("agent_completed") == 2


def test_a_generator_is_in_its_run_only_while_it_works(reporter: AgentReporter) -> None:
    inside = []

    @reporter.run("stream")
    def stream() -> Iterator[int]:
        for number in range(2):
            inside.append(here(reporter.session_id) is not None)
            yield number

    inside += (here(reporter.session_id) is not None for _ in stream())
    assert inside == [True, False, True, False]
    assert kinds(reporter)[-1] == "agent_completed"


async def test_an_async_generator_that_is_left_early_ends_cancelled(reporter: AgentReporter) -> None:
    @reporter.run("stream")
    async def stream() -> AsyncIterator[int]:
        while True:
            yield 1

    numbers = stream()
    async for _ in numbers:
        break
    await numbers.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert [f["status"] for _, f in queued(reporter) if f["kind"] == "run_finished"] == ["cancelled"]


def test_what_is_thrown_into_a_generator_is_its_to_handle(reporter: AgentReporter) -> None:
    @reporter.step()
    def stream() -> Iterator[str]:
        try:
            yield "first"
        except KeyError:
            yield "handled"

    numbers = stream()
    assert next(numbers) == "first"
    assert numbers.throw(KeyError()) == "handled"  # type: ignore[attr-defined]  # it is a generator
    assert list(numbers) == []
    assert [f["status"] for _, f in queued(reporter) if f["kind"] == "step"] == ["success"]


def test_a_decorator_without_parentheses_says_so(reporter: AgentReporter) -> None:
    with pytest.raises(TypeError, match=r"@reporter\.tool\(\.\.\.\)"):
        reporter.tool(print)  # type: ignore[arg-type]  # the mistake


def test_a_scope_is_for_one_stretch(reporter: AgentReporter) -> None:
    scope = reporter.run("r")
    with pytest.raises(RuntimeError, match="not begun"):
        _ = scope.run_id
    with scope:
        pass
    with pytest.raises(RuntimeError, match="a second"), scope:
        pass


def test_two_reporters_do_not_see_each_others_places(reporter: AgentReporter, tmp_path: Path) -> None:
    other = agent(tmp_path, agent_id="b")
    with reporter.run("r"), other.tool("t"):
        pass
    assert "agent_started" in kinds(other)


def test_a_message_that_fails_was_not_sent(reporter: AgentReporter) -> None:
    with reporter.track_task():
        with reporter.track_message_sent():
            pass
        with pytest.raises(OSError, match="gone"), reporter.track_message_sent():
            raise OSError("gone")
    told = kinds(reporter)
    assert told.count("message_sent") == 1
    assert told.count("failure") == 1


def test_the_plain_event_of_a_step_is_still_there(reporter: AgentReporter) -> None:
    reporter.step("run-1", "step-1", "failure", latency_ms=2.0)
    ((_, fields),) = queued(reporter)
    assert (fields["run_id"], fields["step_id"], fields["status"]) == ("run-1", "step-1", "failure")


def test_arguments_are_hashed_never_stored(reporter: AgentReporter) -> None:
    @reporter.tool()
    def pay(card: str) -> None:
        del card

    pay("card of zoe")
    pay("card of zoe")
    pay("another")
    with reporter.tool("pay", arguments=(("card of zoe",), {})):
        pass
    events = queued(reporter)
    digests = [f["arguments_hash"] for _, f in events if f["kind"] == "tool_executing"]
    assert digests[0] == digests[1] == digests[3] != digests[2]
    assert "zoe" not in str(events)
