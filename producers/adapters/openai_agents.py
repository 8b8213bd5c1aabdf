"""The OpenAI Agents SDK to a `Reporter`.

    agents.add_trace_processor(ReporterTracingProcessor(reporter))      # besides what there is
    agents.set_trace_processors([ReporterTracingProcessor(reporter)])   # instead: nothing is sent to OpenAI

Needs `openai-agents`. A trace is a turn, its group the conversation; function calls are tools, a guardrail that trips
is a violation. Inputs and outputs are not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from agents.tracing import Span, Trace, TracingProcessor

from producers.adapters.guard import harmless
from producers.adapters.turns import Failure, Sink, Turns
from producers.otlp.genai import Kind
from producers.otlp.values import cut

_KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "agent": "step",
        "function": "tool",
        "generation": "model",
        "response": "model",
        "handoff": "step",
        "guardrail": "step",
        "mcp_tools": "step",
        "transcription": "step",
        "speech": "step",
    }
)


class ReporterTracingProcessor(TracingProcessor):
    """Tells a reporter of traces and their spans. Does not start or close the reporter."""

    def __init__(self, reporter: Sink) -> None:
        self._reporter = reporter
        self._turns = Turns(reporter)

    @harmless
    def on_trace_start(self, trace: Trace) -> None:
        """A workflow begins."""
        group = (trace.export() or {}).get("group_id")
        thread = str(group) if group else None
        self._turns.begin(trace.trace_id, "turn", trace.name, run_id=trace.trace_id, thread_id=thread)

    @harmless
    def on_trace_end(self, trace: Trace) -> None:
        """A workflow is over; it failed where its last agent did."""
        self._turns.end(trace.trace_id)

    @harmless
    def on_span_start(self, span: Span[Any]) -> None:
        """A part begins."""
        data = span.span_data
        self._turns.begin(
            span.span_id,
            _KINDS.get(data.type),
            _name(data),
            parent_id=span.parent_id or span.trace_id,
            run_id=span.trace_id,
            at_us=_us(span.started_at),
        )

    @harmless
    def on_span_end(self, span: Span[Any]) -> None:
        """A part is over."""
        data, failure = span.span_data, _failure(span)
        if data.type == "agent" and (turn := self._turns.find(span.trace_id)) is not None:
            turn.failure = failure
        if data.type == "guardrail" and data.triggered:
            self._tell_violation(span, data.name)
        self._turns.end(span.span_id, failure, tokens=_tokens(data), facts=_facts(data), at_us=_us(span.ended_at))

    def _tell_violation(self, span: Span[Any], guardrail: str) -> None:
        fields = {
            "type": "guardrail",
            "policy_id": cut(guardrail, 256),
            "policy_name": cut(guardrail, 256),
            "severity": "medium",
            "description": "a guardrail stopped the run",
            "action": "blocked",
            "run_id": span.trace_id,
        }
        self._reporter.emit("fleet.violations", fields)

    def shutdown(self) -> None:
        """Nothing of its own waits; the reporter is its owner's to close."""

    def force_flush(self) -> None:
        """Nothing waits: events are in the reporter's queue by now."""


def _name(data: Any) -> str:  # noqa: ANN401  # one of the SDK's kinds of span
    named = getattr(data, "name", None)
    if data.type == "handoff":
        named = f"handoff to {data.to_agent}"
    return str(named or getattr(data, "model", None) or data.type)


def _us(stamp: str | None) -> int | None:
    """ISO 8601 to micros since the epoch."""
    return None if stamp is None else round(datetime.fromisoformat(stamp).timestamp() * 1e6)


def _failure(span: Span[Any]) -> Failure | None:
    error = span.error
    if not error:
        return None
    return Failure("error", cut(str(error.get("message") or ""), 500) or None)


def _tokens(data: Any) -> tuple[float, float] | None:  # noqa: ANN401  # as above
    usage = getattr(data, "usage", None) or getattr(getattr(data, "response", None), "usage", None)
    if usage is None or data.type not in {"generation", "response"}:
        return None
    told = usage if isinstance(usage, Mapping) else vars(usage)
    return float(told.get("input_tokens") or 0), float(told.get("output_tokens") or 0)


def _facts(data: Any) -> dict[str, str]:  # noqa: ANN401  # as above
    model = getattr(data, "model", None) or getattr(getattr(data, "response", None), "model", None)
    return {"gen_ai.request.model": cut(str(model), 256)} if model else {}
