"""One export request, decoded, as events: each resource in the name that the key allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from producers.otlp.bunched import without_bunched_beats
from producers.otlp.event import Mapped
from producers.otlp.logs import map_logs
from producers.otlp.metrics import map_metrics
from producers.otlp.points import count_points
from producers.otlp.since_last import SinceLast
from producers.otlp.source import ForbiddenError, Source, Writer, source_of
from producers.otlp.spans import map_spans
from producers.otlp.values import attributes_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from producers.otlp.decode import Signal


class Exporter:
    """Maps requests of many agents. Keeps nothing but what cumulative histograms told last (`SinceLast`)."""

    def __init__(self, seen: SinceLast | None = None) -> None:
        self._seen = seen if seen is not None else SinceLast()

    def map(
        self, signal: Signal, request: Message, writer: Writer, now_us: int, header_agent: str | None = None
    ) -> Mapped:
        """The events of a request. Raises nothing, whatever it holds.

        `writer`: who sends it; `now_us`: for what tells no time; `header_agent`: X-Agent-Id, for resources that name no
        agent.
        """
        mapped = Mapped()
        for resource in getattr(request, _FIELDS[signal]):
            count = _COUNTS[signal](resource)
            mapped.seen += count
            try:
                source = source_of(attributes_of(resource.resource.attributes), writer, header_agent)
            except ForbiddenError as error:
                mapped.forbid(str(error), count)
            else:
                self._map_resource(signal, resource, source, now_us, mapped)
        mapped.events = without_bunched_beats(mapped.events)
        return mapped

    def _map_resource(self, signal: Signal, resource: Any, source: Source, now_us: int, mapped: Mapped) -> None:  # noqa: ANN401  # of the signal's type
        if signal == "traces":
            map_spans(resource, source, now_us, mapped)
        elif signal == "metrics":
            map_metrics(resource, source, now_us, self._seen, mapped)
        else:
            map_logs(resource, source, now_us, mapped)


_FIELDS: Mapping[Signal, str] = {"traces": "resource_spans", "metrics": "resource_metrics", "logs": "resource_logs"}
_COUNTS: Mapping[Signal, Callable[[Any], int]] = {
    "traces": lambda resource: sum(len(scope.spans) for scope in resource.scope_spans),
    "metrics": count_points,
    "logs": lambda resource: sum(len(scope.log_records) for scope in resource.scope_logs),
}


def count_items(signal: Signal, request: Message) -> int:
    """Resources and spans, points or records of a request: what mapping it takes grows with them."""
    resources = getattr(request, _FIELDS[signal])
    return len(resources) + sum(map(_COUNTS[signal], resources))
