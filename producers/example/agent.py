"""An agent that does real work: it answers questions over a project's own files. Read it to see what to report where.

The work is `_work`, the reporting stands around it: a turn begins and ends, a tool begins and ends, a policy stepped
in. The rest of the package knows nothing of fleetpulse.
"""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from producers.example.measure import Measurements
from producers.example.policy import POLICY_ID, POLICY_NAME, redact
from producers.example.tools import Toolbox, ToolError
from producers.sdk import Reporter

TOOL_DEADLINE_S = 5.0
ANSWER_CHARS = 700
_FILE = re.compile(r"\b[\w/.-]+\.(?:md|py|toml|avsc)\b")
_LINES_OF = re.compile(r"how many lines.*?(\.\w+)", re.IGNORECASE)
_WORD = re.compile(r"the word [\"'“]?(\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """`text` for the user; `failed_tools`: what could not be done; `redacted`: how much the policy took out."""

    text: str
    failed_tools: tuple[str, ...]
    redacted: int


@dataclass(slots=True)
class Turn:
    """One question on its way: its ids, the steps so far, the tools that failed."""

    run_id: str
    thread_id: str
    steps: int
    failed: list[str]


class Agent:
    """Answers one question at a time and reports what it does."""

    def __init__(self, tools: Toolbox, reporter: Reporter, measurements: Measurements) -> None:
        self._tools = tools
        self._report = reporter
        self._measured = measurements

    def answer(self, question: str, thread_id: str) -> Answer:
        """Answer a question of a conversation. A tool that fails makes the answer poorer, never raises."""
        turn = Turn(f"run-{uuid.uuid4().hex[:12]}", thread_id, 0, [])
        began_s = time.perf_counter()
        self._report.agent_started(turn.run_id, thread_id)
        self._report.run_started(turn.run_id, name="answer a question")
        self._report.agent_thinking(turn.run_id, thread_id)

        text, redacted = redact(self._work(question, turn))
        if redacted:
            self._report.violation(
                POLICY_ID,
                f"{redacted} e-mail address(es) in an answer",
                severity="low",
                action="redacted",
                policy_name=POLICY_NAME,
                run_id=turn.run_id,
            )

        latency_ms = round(1000 * (time.perf_counter() - began_s), 2)
        self._report.message_sent(turn.run_id, thread_id, latency_ms=latency_ms)
        self._report.agent_completed(turn.run_id, thread_id, latency_ms=latency_ms)
        self._report.run_finished(turn.run_id, "failure" if turn.failed else "success", latency_ms=latency_ms)
        self._measured.answered(latency_ms, failed=bool(turn.failed), violations=bool(redacted))
        return Answer(text, tuple(turn.failed), redacted)

    def _use(self, turn: Turn, tool: Callable[[str], str], argument: str) -> str | None:
        """Let a tool do its work, told before and after; None where it failed."""
        name, call_id = tool.__name__, f"{turn.run_id}-{turn.steps}"
        digest = hashlib.blake2b(argument.encode(), digest_size=8).hexdigest()
        self._report.tool_executing(
            turn.run_id,
            turn.thread_id,
            name,
            tool_call_id=call_id,
            arguments_hash=digest,
            deadline_s=TOOL_DEADLINE_S,
        )
        began_s = time.perf_counter()
        result: str | None = None
        try:
            result = tool(argument)
        except ToolError as error:
            turn.failed.append(name)
            self._report.failure(turn.run_id, "tool", error.code, message=redact(str(error))[0], step_id=call_id)
            self._report.log("warn", f"{name} failed: {error.code}", source="tools", run_id=turn.run_id)
        latency_ms = round(1000 * (time.perf_counter() - began_s), 2)
        status: Literal["success", "failure"] = "failure" if result is None else "success"
        self._report.tool_completed(
            turn.run_id, turn.thread_id, name, status, tool_call_id=call_id, latency_ms=latency_ms
        )
        self._report.step(turn.run_id, call_id, status, name=name, step_index=turn.steps, latency_ms=latency_ms)
        turn.steps += 1
        return result

    def _work(self, question: str, turn: Turn) -> str:
        """Find out. Nothing here knows of reports but `_use`."""
        if found := _LINES_OF.search(question):
            lines = self._use(turn, self._tools.count_lines, found[1])
            return f"The project's {found[1]} files have {lines} lines." if lines else "I could not count them."
        if found := _WORD.search(question):
            return self._use(turn, self._tools.glossary, found[1]) or "The glossary is busy, ask me again."
        named = _FILE.search(question)
        places = [named[0]] if named else (self._use(turn, self._tools.search_files, question) or "").splitlines()
        if not places:
            return "I found nothing about that."
        passage = self._use(turn, self._tools.read_file, places[0])
        if passage is None:
            return f"I could not read {places[0]}."
        more = f"\n(see also {', '.join(places[1:])})" if places[1:] else ""
        return f"{places[0]} says:\n{passage[:ANSWER_CHARS]}{more}"
