"""Scopes that report what happens inside of them: `with reporter.run("nightly"):`, or `@reporter.tool("search")`.

Each is a context manager, plain and async, and a decorator of functions, coroutine functions and generators of both
kinds. An exception becomes a failure and goes on to the caller. Of arguments only a digest is reported, of exceptions
only their type.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar

from producers.sdk.decorate import decorated
from producers.sdk.events import Outcome
from producers.sdk.place import Place, here, new_id, place

if TYPE_CHECKING:
    from producers.sdk.agent import AgentReporter

_P = ParamSpec("_P")
_R = TypeVar("_R")
_STOPPED = (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)


class Scope(ABC):
    """One stretch of work. Usable once as a context manager, any number of times as a decorator."""

    kind: str

    def __init__(self, reporter: AgentReporter, name: str | None, arguments_hash: str | None = None) -> None:
        if callable(name):
            raise TypeError(f"this decorator takes parentheses: @reporter.{self.kind}(...)")
        self._reporter = reporter
        self._name = name
        self._arguments_hash = arguments_hash
        self._around: Scope | None = None
        self._outer: Place | None = None
        self.place: Place | None = None

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Decorate: every call is a scope of its own, named after the function unless a name was given."""
        return decorated(self._for_call, function)

    def _for_call(self, function_name: str, arguments: object) -> Scope:
        """A fresh scope for one call of a decorated function."""
        del arguments
        return self._again(self._name if self._name is not None else function_name)

    @abstractmethod
    def _again(self, name: str) -> Scope:
        """The same scope, for another stretch."""

    def _enclosing(self) -> Scope | None:
        """The scope that this one cannot be without, when it stands alone."""
        return None

    @abstractmethod
    def _begin(self, outer: Place | None) -> Place:
        """Report the beginning; the place inside."""

    @abstractmethod
    def _end(self, inner: Place, outcome: Outcome, latency_ms: float) -> None:
        """Report the end."""

    @property
    def run_id(self) -> str:
        """The run that this scope is in. Raises `RuntimeError` before it begins."""
        return self._inside().run_id

    @property
    def thread_id(self) -> str:
        """The conversation that this scope is in. Raises `RuntimeError` before it begins."""
        return self._inside().thread_id

    def _inside(self) -> Place:
        if self.place is None:
            raise RuntimeError(f"reporter.{self.kind}(...) has not begun: use `with`")
        return self.place

    def __enter__(self) -> Self:
        if self.place is not None:
            raise RuntimeError(f"a second `with` on the same reporter.{self.kind}(...): make a new one")
        session = self._reporter.session_id
        self._outer = place.get()
        if here(session) is None and (around := self._enclosing()) is not None:
            self._around = around.__enter__()
        self._began_ns = time.perf_counter_ns()
        self.place = self._begin(here(session))
        place.set(self.place)
        self._reporter.beat_if_due()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        inner = self._inside()
        latency_ms = (time.perf_counter_ns() - self._began_ns) / 1e6
        outcome: Outcome = "success" if error is None else "cancelled" if isinstance(error, _STOPPED) else "failure"
        if error is not None and outcome == "failure":
            self._tell_failure(inner, error)
        self._end(inner, outcome, latency_ms)
        if self._around is not None:
            self._around.__exit__(kind, error, trace)
        # Not reset with a token: a generator may be closed in another context than it was begun in.
        place.set(self._outer)
        self._reporter.beat_if_due()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def _tell_failure(self, inner: Place, error: BaseException) -> None:
        if error in inner.told:
            return
        inner.told[:] = [error]
        code = "timeout" if isinstance(error, TimeoutError) else type(error).__name__
        self._reporter.failure(inner.run_id, self.kind, code, step_id=inner.step_id)

    def pause(self) -> None:
        """While a generator is suspended its caller is elsewhere."""
        place.set(self._outer)

    def resume(self) -> None:
        """The generator goes on."""
        place.set(self.place)


class TaskScope(Scope):
    """A turn of the agent: something that it is asked for, from `agent_started` to `agent_completed`."""

    kind = "track_task"

    def __init__(
        self, reporter: AgentReporter, name: str | None, *, thread_id: str | None = None, run_id: str | None = None
    ) -> None:
        super().__init__(reporter, name)
        self._thread_id, self._run_id = thread_id, run_id

    def _again(self, name: str) -> Scope:
        return TaskScope(self._reporter, name, thread_id=self._thread_id)

    def _begin(self, outer: Place | None) -> Place:
        if outer is not None:
            # A turn that waits for another would look as if it had gone silent: what is inside belongs to the outer.
            self._reporter.agent_thinking(outer.turn_id, outer.thread_id)
            return outer.within(step_id=outer.step_id)
        run_id = self._run_id if self._run_id is not None else new_id(self._prefix())
        begun = Place(self._reporter.session_id, run_id, self._thread_id or run_id, run_id)
        self._reporter.agent_started(begun.turn_id, begun.thread_id)
        return begun

    def _prefix(self) -> str:
        return "task"

    def _outer_here(self) -> Place | None:
        outer = self._outer
        return outer if outer is not None and outer.session_id == self._reporter.session_id else None

    def _end(self, inner: Place, outcome: Outcome, latency_ms: float) -> None:
        if self._outer_here() is not None:
            return
        self._reporter.agent_completed(
            inner.turn_id,
            inner.thread_id,
            "success" if outcome == "success" else "failure",
            latency_ms=latency_ms,
        )
        if outcome != "cancelled":
            self._reporter.activity.request(latency_ms, ok=outcome == "success")


class RunScope(TaskScope):
    """A run with steps: a turn, and the rows `run_started` and `run_finished`."""

    kind = "run"

    def _again(self, name: str) -> Scope:
        return RunScope(self._reporter, name, thread_id=self._thread_id)

    def _prefix(self) -> str:
        return "run"

    def _begin(self, outer: Place | None) -> Place:
        self._began_us = time.time_ns() // 1_000
        inner = super()._begin(outer)
        attributes = {}
        if outer is not None:
            attributes["parent_run_id"] = outer.run_id
            inner = outer.within(run_id=self._run_id if self._run_id is not None else new_id("run"))
        self._reporter.run_started(inner.run_id, name=self._name, attributes=attributes)
        return inner

    def _end(self, inner: Place, outcome: Outcome, latency_ms: float) -> None:
        times = {"started_at": self._began_us, "ended_at": time.time_ns() // 1_000}
        self._reporter.run_finished(inner.run_id, outcome, name=self._name, latency_ms=latency_ms, **times)
        super()._end(inner, outcome, latency_ms)


class StepScope(Scope):
    """A step of a run; alone it is a run of one step."""

    kind = "step"

    def _again(self, name: str) -> Scope:
        return StepScope(self._reporter, name)

    def _enclosing(self) -> Scope:
        return RunScope(self._reporter, self._name)

    def _begin(self, outer: Place | None) -> Place:
        assert outer is not None
        self._index = next(outer.steps)
        self._began_us = time.time_ns() // 1_000
        # The turn is not silent while it works its way through steps.
        self._reporter.agent_thinking(outer.turn_id, outer.thread_id)
        return outer.within(step_id=new_id("step"))

    def _end(self, inner: Place, outcome: Outcome, latency_ms: float) -> None:
        self._reporter.step(
            inner.run_id,
            inner.step_id or "",
            outcome,
            name=self._name,
            step_index=self._index,
            latency_ms=latency_ms,
            started_at=self._began_us,
            ended_at=time.time_ns() // 1_000,
        )


class ToolScope(Scope):
    """An execution of a tool, from `tool_executing` to `tool_completed`; alone it is a turn with one tool."""

    kind = "tool"

    def __init__(
        self,
        reporter: AgentReporter,
        name: str | None,
        arguments_hash: str | None = None,
        *,
        deadline_s: float | None = None,
    ) -> None:
        super().__init__(reporter, name, arguments_hash)
        self._deadline_s = deadline_s

    def _again(self, name: str) -> Scope:
        return ToolScope(self._reporter, name, deadline_s=self._deadline_s)

    def _for_call(self, function_name: str, arguments: object) -> Scope:
        digest = self._reporter.digest.of(arguments)
        name = self._name if self._name is not None else function_name
        return ToolScope(self._reporter, name, digest, deadline_s=self._deadline_s)

    def _enclosing(self) -> Scope:
        return TaskScope(self._reporter, self._name)

    def _begin(self, outer: Place | None) -> Place:
        assert outer is not None
        self._call_id = new_id("call")
        self._reporter.tool_executing(
            outer.turn_id,
            outer.thread_id,
            self._name or "tool",
            tool_call_id=self._call_id,
            arguments_hash=self._arguments_hash,
            deadline_s=self._deadline_s,
        )
        return outer.within(step_id=outer.step_id)

    def _end(self, inner: Place, outcome: Outcome, latency_ms: float) -> None:
        self._reporter.tool_completed(
            inner.turn_id,
            inner.thread_id,
            self._name or "tool",
            "success" if outcome == "success" else "failure",
            tool_call_id=self._call_id,
            latency_ms=latency_ms,
        )


class MessageScope(Scope):
    """The sending of a message to the user of the conversation: reported when it went out."""

    kind = "track_message_sent"

    def _again(self, name: str) -> Scope:
        return MessageScope(self._reporter, name)

    def _enclosing(self) -> Scope:
        return TaskScope(self._reporter, self._name)

    def _begin(self, outer: Place | None) -> Place:
        assert outer is not None
        return outer.within(step_id=outer.step_id)

    def _end(self, inner: Place, outcome: Outcome, latency_ms: float) -> None:
        if outcome == "success":
            self._reporter.message_sent(inner.turn_id, inner.thread_id, latency_ms=latency_ms)
            self._reporter.activity.message()
