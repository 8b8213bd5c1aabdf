"""Beats that waited together in an exporter's batch, and arrive together.

Deadlines are judged by arrival: an interval that is shorter than the exporter's delay would be missed with every batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from producers.otlp.event import OtlpEvent

HEARTBEATS = "fleet.heartbeats"


def without_bunched_beats(events: Sequence[OtlpEvent]) -> list[OtlpEvent]:
    """The events, with the newest beat of each agent and those that say more than that all is well.

    Where there were several, none claims an interval: it is learned from when they arrive.
    """
    beats: dict[str, list[OtlpEvent]] = defaultdict(list)
    for event in events:
        if event.topic == HEARTBEATS:
            beats[event.agent_id].append(event)
    newest = {agent: max(told, key=lambda beat: beat.timestamp_us) for agent, told in beats.items()}
    kept: list[OtlpEvent] = []
    for event in events:
        if event.topic != HEARTBEATS or len(beats[event.agent_id]) == 1:
            kept.append(event)
        elif event is newest[event.agent_id] or event.fields["status"] != "healthy":
            kept.append(event._replace(fields={**event.fields, "interval_s": None}))
    return kept
