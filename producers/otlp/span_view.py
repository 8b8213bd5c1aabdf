"""The spans of one resource with what they say read once, and how they hang together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from producers.otlp.event import Mapped
from producers.otlp.genai import Kind, agent_id_of, kind_of, thread_of
from producers.otlp.times import OUT_OF_RANGE, event_us, latency_ms
from producers.otlp.values import Attributes, attributes_of

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

_ERROR = 2
_MOST_ANCESTORS = 64


@dataclass(frozen=True, slots=True)
class SpanView:
    """A span of an agent's work, or one between two of them (`kind` None). Ids in hex, times micros since the epoch."""

    span: Span
    kind: Kind | None
    attributes: Attributes
    run_id: str
    span_id: str
    parent_id: str
    start_us: int
    end_us: int
    latency_ms: float | None
    failed: bool

    @property
    def status(self) -> str:
        """success or failure."""
        return "failure" if self.failed else "success"

    @property
    def is_root(self) -> bool:
        """Whether nothing is above it in its trace."""
        return not self.parent_id


class Trace:
    """Spans by id; `ancestors` walks up as far as this request knows."""

    def __init__(self, views: Iterable[SpanView]) -> None:
        self.views = list(views)
        self._by_id = {(view.run_id, view.span_id): view for view in self.views}

    def ancestors(self, view: SpanView) -> Iterator[SpanView]:
        """Those above it, nearest first; ends where one is not in the request, or after 64 (a ring has no end)."""
        here = view
        for _ in range(_MOST_ANCESTORS):
            above = self._by_id.get((here.run_id, here.parent_id))
            if above is None or above is view:
                return
            yield above
            here = above

    def agent_named(self, view: SpanView) -> str | None:
        """The `gen_ai.agent.id` of a span or of the nearest above it."""
        for each in (view, *self.ancestors(view)):
            if (named := agent_id_of(each.attributes)) is not None:
                return named
        return None

    def thread(self, view: SpanView) -> str:
        """The conversation that it or the nearest above it names; else the trace."""
        for each in (view, *self.ancestors(view)):
            if (named := thread_of(each.attributes)) is not None:
                return named
        return view.run_id

    def turn_above(self, view: SpanView) -> SpanView | None:
        """The nearest turn that it is part of."""
        return next((each for each in self.ancestors(view) if each.kind == "turn"), None)


def trace_of(resource: ResourceSpans, now_us: int, mapped: Mapped) -> Trace:
    """The spans of a resource; those that cannot be used are rejected in `mapped`."""
    spans = (span for scope in resource.scope_spans for span in scope.spans)
    return Trace(view for span in spans if (view := _view(span, now_us, mapped)) is not None)


def _view(span: Span, now_us: int, mapped: Mapped) -> SpanView | None:
    if not _is_id(span.trace_id, 16) or not _is_id(span.span_id, 8):
        mapped.reject("no valid trace and span id")
        return None
    start_us, end_us = (event_us(time_ns, now_us) for time_ns in _told(span))
    if start_us is None or end_us is None:
        mapped.reject(OUT_OF_RANGE)
        return None
    attributes = attributes_of(span.attributes)
    return SpanView(
        span=span,
        kind=kind_of(attributes),
        attributes=attributes,
        run_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex() if _is_id(span.parent_span_id, 8) else "",
        start_us=start_us,
        end_us=max(start_us, end_us),
        latency_ms=latency_ms(span.start_time_unix_nano, span.end_time_unix_nano),
        failed=span.status.code == _ERROR,
    )


def _is_id(given: bytes, width: int) -> bool:
    return len(given) == width and any(given)


def _told(span: Span) -> tuple[int, int]:
    """Start and end in ns; one stands for the other where that is not told."""
    start_ns, end_ns = span.start_time_unix_nano, span.end_time_unix_nano
    return start_ns or end_ns, end_ns or start_ns
