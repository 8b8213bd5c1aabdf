"""Spans of agents as lifecycle and run events: a trace is a run, a conversation a thread, a tool call a step.

A span is sent when it ends, so children come before their parents, perhaps in another request. What hangs together only
across requests is therefore said by both: a tool whose turn is not in the request says `agent_started` for it as well,
since the operator of silent failures takes a turn without beginning for a fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from producers.governance.redact import redact_text
from producers.otlp.event import Mapped, OtlpEvent
from producers.otlp.fleet_events import fleet_event
from producers.otlp.genai import agent_id_of, arguments_hash, display_name, facts, tokens_of, tool_of
from producers.otlp.source import Source
from producers.otlp.span_view import SpanView, Trace, trace_of
from producers.otlp.times import event_us
from producers.otlp.values import attributes_of, cut, text

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

_LIFECYCLE, _RUNS, _METRICS = "fleet.lifecycle", "fleet.runs", "fleet.metrics"
_MOST_FLEET_EVENTS = 32
_FAILURE_TYPES = {"turn": "agent", "tool": "tool", "model": "model", "step": "step"}


def map_spans(resource: ResourceSpans, source: Source, now_us: int, mapped: Mapped) -> None:
    """Add the events of a resource's spans to `mapped`."""
    before = len(mapped.events)
    _Spans(trace_of(resource, now_us, mapped), source, now_us, mapped).map()
    mapped.events[before:] = sorted(mapped.events[before:], key=lambda event: event.timestamp_us)


class _Spans:
    """The spans of one resource on their way."""

    def __init__(self, trace: Trace, source: Source, now_us: int, mapped: Mapped) -> None:
        self._trace = trace
        self._source = source
        self._now_us = now_us
        self._out = mapped.events
        self._begun: dict[tuple[str, str], int] = {}
        self._tokens: dict[str, tuple[int, float, float]] = {}

    def map(self) -> None:
        views = [view for view in self._trace.views if view.kind is not None]
        turns = [view for view in views if self._is_turn(view)]
        for view in turns:
            self._begin_turn(view)
        self._begin_missing_turns(view for view in views if view.kind == "tool")
        for view in views:
            self._add(view)
        for view in turns:
            self._end_turn(view)
        self._add_tokens()

    def _is_turn(self, view: SpanView) -> bool:
        """An agent at work that is no part of a larger turn; or a root, whose whole trace is a turn."""
        return view.is_root or (view.kind == "turn" and self._trace.turn_above(view) is None)

    def _agent(self, view: SpanView) -> str:
        return self._source.agent_called(self._trace.agent_named(view))

    def _put(self, topic: str, agent_id: str, time_us: int, fields: dict[str, Any]) -> None:
        source = self._source
        self._out.append(OtlpEvent(topic, agent_id, fields, time_us, source.user_id, source.deployment_id))

    def _live(self, kind: str, agent_id: str, view: SpanView, time_us: int, **more: Any) -> None:  # noqa: ANN401  # the schema's fields
        fields = {"kind": kind, "run_id": view.run_id, "thread_id": self._trace.thread(view), **more}
        self._put(_LIFECYCLE, agent_id, time_us, fields)

    def _begin_turn(self, view: SpanView) -> None:
        agent = self._agent(view)
        self._begun[agent, view.run_id] = view.start_us
        self._live("agent_started", agent, view, view.start_us)
        fields = {"kind": "run_started", "run_id": view.run_id, "name": display_name(view.attributes, view.span.name)}
        self._put(_RUNS, agent, view.start_us, {**fields, "attributes": facts(view.attributes)})

    def _begin_missing_turns(self, tools: Iterator[SpanView]) -> None:
        for view in sorted(tools, key=lambda each: each.start_us):
            agent = self._agent(view)
            if (agent, view.run_id) not in self._begun:
                self._begun[agent, view.run_id] = view.start_us
                self._live("agent_started", agent, view, view.start_us)

    def _add(self, view: SpanView) -> None:
        agent = self._agent(view)
        if view.kind == "tool":
            self._add_tool(view, agent)
        elif view.kind == "model":
            self._add_model(view, agent)
        if not self._is_turn(view) or view.kind != "turn":
            self._add_step(view, agent)
        if view.failed:
            self._add_failure(view, agent)
        self._add_fleet_events(view, agent)

    def _add_tool(self, view: SpanView, agent: str) -> None:
        # The span's id, not the model's id of the call: that one repeats when a call is tried again.
        call = {"tool": tool_of(view.attributes, view.span.name), "tool_call_id": view.span_id}
        digest = arguments_hash(view.attributes)
        self._live("tool_executing", agent, view, view.start_us, arguments_hash=digest, **call)
        done = {"status": view.status, "latency_ms": view.latency_ms}
        self._live("tool_completed", agent, view, view.end_us, **call, **done)

    def _add_model(self, view: SpanView, agent: str) -> None:
        if (agent, view.run_id) in self._begun:
            self._live("agent_thinking", agent, view, view.start_us)
        if (tokens := tokens_of(view.attributes)) is not None:
            time_us, sent, got = self._tokens.get(agent, (0, 0.0, 0.0))
            self._tokens[agent] = max(time_us, view.end_us), sent + tokens[0], got + tokens[1]

    def _add_step(self, view: SpanView, agent: str) -> None:
        fields = {
            "kind": "step",
            "run_id": view.run_id,
            "step_id": view.span_id,
            "name": display_name(view.attributes, view.span.name),
            "status": view.status,
            "started_at": view.start_us,
            "ended_at": view.end_us,
            "latency_ms": view.latency_ms,
            "attributes": facts(view.attributes),
        }
        self._put(_RUNS, agent, view.end_us, fields)

    def _add_failure(self, view: SpanView, agent: str) -> None:
        code, message = _error(view)
        fields = {
            "kind": "failure",
            "run_id": view.run_id,
            "step_id": view.span_id,
            "status": "failure",
            "failure_type": _FAILURE_TYPES[view.kind or "step"],
            "failure_code": code,
            "message": message,
        }
        self._put(_RUNS, agent, view.end_us, fields)

    def _add_fleet_events(self, view: SpanView, agent: str) -> None:
        for event in view.span.events[:_MOST_FLEET_EVENTS]:
            found = fleet_event(event.name, attributes_of(event.attributes), view.run_id)
            if found is not None:
                told_us = event_us(event.time_unix_nano, self._now_us)
                self._put(found[0], agent, view.end_us if told_us is None else told_us, found[1])

    def _end_turn(self, view: SpanView) -> None:
        agent, done = self._agent(view), {"status": view.status, "latency_ms": view.latency_ms}
        self._live("agent_completed", agent, view, view.end_us, **done)
        self._end_turn_of_service(view, agent)
        fields = {
            "kind": "run_finished",
            "run_id": view.run_id,
            "name": display_name(view.attributes, view.span.name),
            "started_at": view.start_us,
            "ended_at": view.end_us,
            "attributes": facts(view.attributes),
            **done,
        }
        self._put(_RUNS, agent, view.end_us, fields)

    def _end_turn_of_service(self, view: SpanView, agent: str) -> None:
        """Tools that came before this turn in a request of their own could not know its agent, and began a turn of the
        service that it is part of: that is over as well."""
        service = self._source.agent_id
        if agent != service and agent_id_of(view.attributes) is not None:
            if (service, view.run_id) not in self._begun:
                self._live("agent_started", service, view, view.start_us)
            self._live("agent_completed", service, view, view.end_us)

    def _add_tokens(self) -> None:
        for agent, (time_us, sent, got) in self._tokens.items():
            amounts = {"tokens": sent + got, "gen_ai.usage.input_tokens": sent, "gen_ai.usage.output_tokens": got}
            self._put(_METRICS, agent, time_us, {"custom": amounts})


def _error(view: SpanView) -> tuple[str, str | None]:
    """Code and redacted explanation of a failed span: its own, else those of the exception that it recorded."""
    code, message = text(view.attributes, "error.type"), view.span.status.message
    raised = next((event for event in view.span.events[:_MOST_FLEET_EVENTS] if event.name == "exception"), None)
    if raised is not None:
        said = attributes_of(raised.attributes)
        code = code or text(said, "exception.type")
        message = message or text(said, "exception.message", limit=500) or ""
    return code or "error", redact_text(cut(message, 500)) or None
