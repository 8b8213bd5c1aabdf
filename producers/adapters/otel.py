"""Spans of this process to a `Reporter`, without a collector or gateway between.

    provider = TracerProvider()
    provider.add_span_processor(ReporterSpanProcessor(reporter))

Needs `opentelemetry-sdk`. Which spans are what is in `producers.otlp.genai`; the span that holds an agent's work is
the turn. Unlike what an exporter sends, a span's beginning is told when it begins, so a tool that hangs is seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import StatusCode

from producers.adapters.guard import harmless
from producers.adapters.turns import Failure, Sink, Turns
from producers.otlp.fleet_events import fleet_event
from producers.otlp.genai import Kind, arguments_hash, display_name, facts, kind_of, thread_of, tokens_of, tool_of
from producers.otlp.values import LONGEST_NAME, MOST_ATTRIBUTES, Value, text

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import SpanContext

_MOST_EVENTS = 32


class ReporterSpanProcessor(SpanProcessor):
    """Tells a reporter of the spans of agents. It does not start or close the reporter."""

    def __init__(self, reporter: Sink) -> None:
        self._reporter = reporter
        self._turns = Turns(reporter)

    @harmless
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002  # the parent is in the span
        """A span begins."""
        context = span.get_span_context()
        if context is not None and context.is_valid:
            self._begin(span, context)

    @harmless
    def on_end(self, span: ReadableSpan) -> None:
        """A span is over."""
        context = span.get_span_context()
        if context is None or not context.is_valid:
            return
        said = _plain(span.attributes)
        if (kind := kind_of(said)) is not None:  # It may have said what it is after it had begun.
            self._turns.became(_id(context), kind, _name(kind, said, span.name), arguments_hash(said))
        self._tell_events(span, context)
        self._turns.end(
            _id(context), _failure(span, said), tokens=tokens_of(said), facts=facts(said), at_us=_us(span.end_time)
        )

    def _begin(self, span: ReadableSpan, context: SpanContext) -> None:
        said = _plain(span.attributes)
        kind, above = kind_of(said), span.parent
        self._turns.begin(
            _id(context),
            kind,
            _name(kind, said, span.name),
            parent_id=_id(above) if above is not None else None,
            run_id=f"{context.trace_id:032x}",
            thread_id=thread_of(said),
            arguments_hash=arguments_hash(said),
            facts=facts(said) if kind is not None else None,
            at_us=_us(span.start_time),
        )

    def _tell_events(self, span: ReadableSpan, context: SpanContext) -> None:
        for event in list(span.events)[:_MOST_EVENTS]:
            found = fleet_event(event.name, _plain(event.attributes), f"{context.trace_id:032x}")
            if found is not None:
                self._reporter.emit(found[0], found[1], timestamp_us=_us(event.timestamp))

    def shutdown(self) -> None:
        """Nothing of its own waits; the reporter is its owner's to close."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002  # nothing waits
        """Always true: events are in the reporter's queue by now."""
        return True


def _name(kind: Kind | None, said: Mapping[str, Value], span_name: str) -> str:
    return tool_of(said, span_name) if kind == "tool" else display_name(said, span_name)


def _id(context: SpanContext) -> str:
    return f"{context.span_id:016x}"


def _us(time_ns: int | None) -> int | None:
    return None if time_ns is None else time_ns // 1000


def _plain(given: Mapping[str, Any] | None) -> dict[str, Value]:
    """Attributes as the mapping of OTLP has them."""
    pairs = list((given or {}).items())[:MOST_ATTRIBUTES]
    plain = {name: value for name, value in pairs if isinstance(name, str) and len(name) <= LONGEST_NAME}
    return {name: value if isinstance(value, str | bool | int | float) else str(value) for name, value in plain.items()}


def _failure(span: ReadableSpan, said: Mapping[str, Value]) -> Failure | None:
    if span.status.status_code is not StatusCode.ERROR:
        return None
    raised = next((_plain(event.attributes) for event in span.events if event.name == "exception"), {})
    code = text(said, "error.type") or text(raised, "exception.type") or "error"
    return Failure(code, span.status.description or text(raised, "exception.message", limit=500))
