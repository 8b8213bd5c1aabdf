"""What a framework tells of parts within parts, as the turns, tool calls and steps of an agent.

Every adapter says `begin` and `end` of parts that name their parent. The outermost part that holds an agent's work is
the turn; what the framework does besides (`kind` None) only passes on whose part it is.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from producers.governance.redact import redact_text
from producers.otlp.genai import Kind
from producers.otlp.values import cut
from producers.sdk.place import here

MOST_OPEN = 10_000
"""Parts that have begun and not ended; beyond, the oldest are forgotten: their end never came."""
Outcome = Literal["success", "failure", "cancelled"]
_FAILURE_TYPES: Mapping[Kind, str] = {"turn": "agent", "tool": "tool", "model": "model", "step": "step"}


class Sink(Protocol):
    """What of a `Reporter` is used."""

    def emit(self, topic: str, fields: Mapping[str, Any], *, timestamp_us: int | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a part failed: a short code (the type of an exception), and what it said."""

    code: str
    message: str | None = None
    outcome: Outcome = "failure"


@dataclass(slots=True)
class Part:
    """A part that has begun. Times in micros since the epoch; `turn`: it is one, and its beginning was told.

    `steps` counts those of a turn. `borrowed`: a turn that the agent's author reports; only what is in it is told here.
    """

    part_id: str
    run_id: str
    thread_id: str
    kind: Kind | None
    name: str
    began_us: int
    parent: Part | None
    turn: bool = False
    borrowed: bool = False
    steps: Iterator[int] = field(default_factory=itertools.count)
    tokens_in: float = 0.0
    tokens_out: float = 0.0
    failure: Failure | None = None
    facts: dict[str, str] = field(default_factory=dict)

    def above(self) -> Iterator[Part]:
        """Itself and those above it."""
        here: Part | None = self
        while here is not None:
            yield here
            here = here.parent


def now_us() -> int:
    """Micros since the epoch."""
    return time.time_ns() // 1000


class Turns:
    """The open parts of one agent, of any thread, told to a reporter."""

    def __init__(self, reporter: Sink, most_open: int = MOST_OPEN) -> None:
        self._reporter = reporter
        self._most = most_open
        self._open: OrderedDict[str, Part] = OrderedDict()
        self._lock = threading.Lock()

    def begin(
        self,
        part_id: str,
        kind: Kind | None,
        name: str,
        *,
        parent_id: str | None = None,
        run_id: str | None = None,
        thread_id: str | None = None,
        arguments_hash: str | None = None,
        facts: Mapping[str, str] | None = None,
        at_us: int | None = None,
    ) -> Part:
        """A part begins: of the run of its parent, else of the run that the author reports here, else of `run_id`."""
        parent = (self._open.get(parent_id) if parent_id is not None else None) or self._around()
        run = parent.run_id if parent is not None else run_id or part_id
        thread = thread_id or (parent.thread_id if parent is not None else run)
        part = Part(part_id, run, thread, kind, cut(name, 256) or "part", at_us or now_us(), parent)
        part.facts.update(facts or {})
        with self._lock:
            self._open[part_id] = part
            if len(self._open) > self._most:
                self._open.popitem(last=False)
        if kind is not None:
            self._tell_begin(part, arguments_hash)
        return part

    def _around(self) -> Part | None:
        """The turn that the agent's author is in, by `AgentReporter.track_task` or `run`."""
        found = here(getattr(self._reporter, "session_id", ""))
        if found is None:
            return None
        return Part(
            found.turn_id, found.turn_id, found.thread_id, None, "turn", now_us(), None,
            turn=True, borrowed=True, steps=found.steps,
        )  # fmt: skip

    def became(self, part_id: str, kind: Kind, name: str, arguments_hash: str | None = None) -> None:
        """A part that said nothing of itself when it began is of this kind; nothing where it had said so."""
        part = self._open.get(part_id)
        if part is not None and part.kind is None:
            part.kind, part.name = kind, cut(name, 256) or "part"
            self._tell_begin(part, arguments_hash)

    def find(self, part_id: str) -> Part | None:
        """A part that has begun and not ended."""
        return self._open.get(part_id)

    def end(
        self,
        part_id: str,
        failure: Failure | None = None,
        *,
        tokens: tuple[float, float] | None = None,
        facts: Mapping[str, str] | None = None,
        at_us: int | None = None,
    ) -> None:
        """A part is over; one that never began is not told. `tokens`: in and out, of a request to a model."""
        with self._lock:
            part = self._open.pop(part_id, None)
        if part is None:
            return
        part.failure = failure or part.failure
        part.facts.update(facts or {})
        ended_us = max(at_us or now_us(), part.began_us)
        if tokens is not None:
            self._add_tokens(part, max(tokens[0], 0.0), max(tokens[1], 0.0), ended_us)
        if part.kind is not None:
            self._tell_end(part, ended_us)
        if part.turn:
            self._end_turn(part, ended_us)

    def _add_tokens(self, part: Part, sent: float, got: float, at_us: int) -> None:
        turn = _turn_of(part)
        if turn is None or turn.borrowed:
            self._reporter.emit("fleet.metrics", {"custom": _amounts(sent, got)}, timestamp_us=at_us)
        else:
            turn.tokens_in += sent
            turn.tokens_out += got

    def _tell_begin(self, part: Part, arguments_hash: str | None) -> None:
        if _turn_of(part) is None:
            self._begin_turn(_outermost(part), part.began_us)
        if part.kind == "tool":
            call = {"tool": part.name, "tool_call_id": part.part_id, "arguments_hash": arguments_hash}
            self._live("tool_executing", part, part.began_us, **call)
        elif part.kind == "model":
            self._live("agent_thinking", part, part.began_us)

    def _begin_turn(self, turn: Part, at_us: int) -> None:
        turn.turn = True
        self._live("agent_started", turn, at_us)
        self._run("run_started", turn, at_us, name=turn.name, attributes=dict(turn.facts))

    def _tell_end(self, part: Part, ended_us: int) -> None:
        status = _status(part)
        if part.kind == "tool":
            call = {"tool": part.name, "tool_call_id": part.part_id, "latency_ms": _latency_ms(part, ended_us)}
            self._live("tool_completed", part, ended_us, status=_told(status), **call)
        if part.kind != "turn" or not part.turn:
            self._tell_step(part, status, ended_us)
        if part.failure is not None and status == "failure":
            said = {"failure_type": _FAILURE_TYPES[part.kind or "step"], "failure_code": cut(part.failure.code, 256)}
            message = part.failure.message and redact_text(cut(part.failure.message, 500))
            self._run("failure", part, ended_us, step_id=part.part_id, status=status, message=message, **said)

    def _tell_step(self, part: Part, status: Outcome, ended_us: int) -> None:
        turn = _turn_of(part)
        fields = {
            "step_id": part.part_id,
            "name": part.name,
            "status": status,
            "started_at": part.began_us,
            "ended_at": ended_us,
            "latency_ms": _latency_ms(part, ended_us),
            "step_index": next(turn.steps) if turn is not None else None,
            "attributes": dict(part.facts),
        }
        self._run("step", part, ended_us, **fields)

    def _end_turn(self, turn: Part, ended_us: int) -> None:
        latency_ms, status = _latency_ms(turn, ended_us), _status(turn)
        self._live("agent_completed", turn, ended_us, status=_told(status), latency_ms=latency_ms)
        times = {"started_at": turn.began_us, "ended_at": ended_us, "latency_ms": latency_ms}
        self._run("run_finished", turn, ended_us, name=turn.name, status=status, attributes=dict(turn.facts), **times)
        sent, got = turn.tokens_in, turn.tokens_out
        custom = _amounts(sent, got) if sent or got else {}
        numbers = {"response_time": latency_ms, "request_count": 1.0, "custom": custom}
        self._reporter.emit("fleet.metrics", numbers, timestamp_us=ended_us)

    def _live(self, kind: str, part: Part, at_us: int, **more: Any) -> None:  # noqa: ANN401  # the schema's fields
        fields = {"kind": kind, "run_id": part.run_id, "thread_id": part.thread_id, **more}
        self._reporter.emit("fleet.lifecycle", fields, timestamp_us=at_us)

    def _run(self, kind: str, part: Part, at_us: int, **more: Any) -> None:  # noqa: ANN401  # the schema's fields
        self._reporter.emit("fleet.runs", {"kind": kind, "run_id": part.run_id, **more}, timestamp_us=at_us)


def _amounts(sent: float, got: float) -> dict[str, float]:
    return {"tokens": sent + got, "gen_ai.usage.input_tokens": sent, "gen_ai.usage.output_tokens": got}


def _turn_of(part: Part) -> Part | None:
    """The turn that a part belongs to; None where none has begun."""
    return next((each for each in part.above() if each.turn), None)


def _outermost(part: Part) -> Part:
    """The part that becomes the turn: the outermost one that is an agent's; where there is none, the outermost."""
    line = list(part.above())
    return next((each for each in reversed(line) if each.kind == "turn"), line[-1])


def _status(part: Part) -> Outcome:
    return "success" if part.failure is None else part.failure.outcome


def _told(status: Outcome) -> str | None:
    """As fleet.lifecycle has it: what was cancelled neither succeeded nor failed."""
    return None if status == "cancelled" else status


def _latency_ms(part: Part, ended_us: int) -> float:
    return (ended_us - part.began_us) / 1e3


def failure_of(error: BaseException) -> Failure:
    """Of an exception: its type and what it says; a cancellation is no failure."""
    name = type(error).__name__
    cancelled = name in {"CancelledError", "KeyboardInterrupt", "GeneratorExit", "GraphInterrupt", "GraphBubbleUp"}
    return Failure(name, cut(str(error), 500) or None, "cancelled" if cancelled else "failure")
