"""Scripts: what an agent says in one turn, on fleet.lifecycle and fleet.runs, clean or with a silent failure in it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

LIFECYCLE = "fleet.lifecycle"
RUNS = "fleet.runs"
TOOLS = ("search", "fetch_page", "read_file", "query_database", "send_mail", "calculate", "translate", "summarise")
TOOL_DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class Line:
    """One event of a script: `offset_s` after its start."""

    offset_s: float
    topic: str
    fields: Mapping[str, Any]


class Script:
    """Builds the lines of one turn, with a running offset."""

    def __init__(self, rng: random.Random, run_id: str, thread_id: str, base_ms: float) -> None:
        self._rng = rng
        self.ids = {"run_id": run_id, "thread_id": thread_id}
        self._base_ms = base_ms
        self._calls = 0
        self.at_s = 0.0
        self.lines: list[Line] = []

    def say(self, kind: str, after_s: float = 0.01, **fields: object) -> None:
        """A lifecycle event."""
        self.at_s += after_s
        self.lines.append(Line(self.at_s, LIFECYCLE, {"kind": kind, **self.ids, **fields}))

    def run(self, kind: str, **fields: object) -> None:
        """An event of fleet.runs at the same moment."""
        self.lines.append(Line(self.at_s, RUNS, {"kind": kind, "run_id": self.ids["run_id"], **fields}))

    def latency_ms(self, factor: float = 1.0) -> float:
        """A latency around the agent's own baseline (10 % standard deviation, cut at 25 %)."""
        return round(self._base_ms * factor * min(max(self._rng.gauss(1.0, 0.1), 0.75), 1.25), 1)

    def begin(self) -> None:
        """The opening of a turn."""
        self.say("agent_started", 0.0)
        self.run("run_started", name="turn")
        self.think()

    def think(self) -> None:
        """The model thinks."""
        self.say("agent_thinking", 0.02, claimed_health="healthy")

    def call(self, tool: str, arguments: str, *, latency_ms: float | None = None, step: bool = True) -> None:
        """A tool that runs and completes; 3 in 100 fail."""
        latency = self.latency_ms() if latency_ms is None else latency_ms
        call_id = self.start_tool(tool, arguments, TOOL_DEADLINE_S)
        failed = self._rng.random() < 0.03
        status = "failure" if failed else "success"
        self.complete_tool(tool, call_id, arguments, latency, status)
        if step:
            step_no = self._calls - 1
            self.run(
                "step",
                step_id=f"{call_id}-s",
                name=tool,
                status=status,
                latency_ms=latency,
                step_index=step_no,
                retries=0,
            )
        if failed:
            self.run(
                "failure",
                name=tool,
                status="failure",
                failure_type="tool",
                failure_code="timeout",
                message=f"{tool} did not answer in time",
            )

    def start_tool(self, tool: str, arguments: str, deadline_s: float) -> str:
        """A tool starts; the id of the call."""
        self._calls += 1
        call_id = f"{self.ids['run_id']}-c{self._calls}"
        self.say(
            "tool_executing", tool=tool, tool_call_id=call_id, arguments_hash=digest(arguments), deadline_s=deadline_s
        )
        return call_id

    def complete_tool(self, tool: str, call_id: str, arguments: str, latency_ms: float, status: str) -> None:
        """A tool ends."""
        self.say(
            "tool_completed",
            latency_ms / 1000,
            tool=tool,
            tool_call_id=call_id,
            arguments_hash=digest(arguments),
            latency_ms=latency_ms,
            status=status,
        )

    def end(self) -> None:
        """The answer and the end of the turn."""
        self.say("message_sent", 0.02)
        self.say("agent_completed", 0.01, latency_ms=round(self.at_s * 1000 + 10, 1), status="success")
        self.run("run_finished", status="success", latency_ms=round(self.at_s * 1000, 1))

    def tools(self, count: int) -> None:
        """`count` different calls."""
        for number, tool in enumerate(self._rng.sample(TOOLS, count)):
            self.call(tool, f"{self.ids['run_id']}/{number}")


def digest(arguments: str) -> str:
    """Digest of a tool's arguments, 16 hex digits."""
    return hashlib.blake2b(arguments.encode(), digest_size=8).hexdigest()


def clean_turn(script: Script, rng: random.Random) -> None:
    """A turn in which nothing is wrong: one to three tools."""
    script.begin()
    script.tools(rng.choice((1, 2, 2, 3)))
    script.end()


def stuck_tool(script: Script, rng: random.Random, deadline_s: float) -> dict[str, Any]:
    """A tool that never completes."""
    tool = rng.choice(TOOLS)
    script.begin()
    call_id = script.start_tool(tool, f"stuck {call_no(rng)}", deadline_s)
    return {"tool": tool, "tool_call_id": call_id, "deadline_s": deadline_s}


def stale_thread(script: Script, rng: random.Random) -> dict[str, Any]:
    """A turn that opens and says nothing more."""
    del rng
    script.say("agent_started", 0.0)
    return {}


def orphan_tool_completed(script: Script, rng: random.Random) -> dict[str, Any]:
    """A tool completes that nobody saw start."""
    tool = rng.choice(TOOLS)
    call_id = f"orphan-{call_no(rng)}"
    script.begin()
    script.complete_tool(tool, call_id, call_id, script.latency_ms(), "success")
    script.end()
    return {"tool": tool, "tool_call_id": call_id}


def missing_agent_started(script: Script, rng: random.Random) -> dict[str, Any]:
    """A turn whose beginning is missing."""
    script.think()
    script.tools(rng.choice((1, 2)))
    script.end()
    return {}


def high_latency(script: Script, rng: random.Random, factor: float) -> dict[str, Any]:
    """A tool that takes many times the agent's own usual."""
    tool = rng.choice(TOOLS)
    latency_ms = script.latency_ms(factor)
    script.begin()
    script.call(tool, f"slow {call_no(rng)}", latency_ms=latency_ms)
    script.end()
    return {"tool": tool, "latency_ms": latency_ms, "factor": factor}


def tool_loop(script: Script, rng: random.Random) -> dict[str, Any]:
    """The same tool with the same arguments, again and again."""
    tool, arguments, times = rng.choice(TOOLS), f"loop {call_no(rng)}", rng.randint(4, 6)
    script.begin()
    for _ in range(times):
        script.call(tool, arguments)
    script.end()
    return {"tool": tool, "arguments_hash": digest(arguments), "times": times}


SILENT_FAILURES: Mapping[str, Callable[[Script, random.Random], dict[str, Any]]] = {
    "orphan_tool_completed": orphan_tool_completed,
    "stale_thread": stale_thread,
    "missing_agent_started": missing_agent_started,
    "tool_loop": tool_loop,
}
"""Those that take nothing but the script."""


def call_no(rng: random.Random) -> str:
    """A label that no other call has."""
    return f"{rng.getrandbits(48):012x}"
