"""One partition judged by the rules of a text, event by event, by a clock that tests move."""

from __future__ import annotations

from typing import Any

from stream_world import NOW_S, event

from infra.runtime.columnar_fetch import RecordColumns
from streams.pipeline import Pipeline, PipelineConfig
from streams.rules.load import parse_pack
from streams.state.partition import PartitionState

METRICS, BEATS, HOSTS = "fleet.metrics", "fleet.heartbeats", "fleet.hosts"


class World:
    """One partition judged by the rules of a text; offsets count up by topic."""

    def __init__(self, rules: str) -> None:
        self.line = Pipeline(PipelineConfig(rules=parse_pack("version: 1\nrules:\n" + rules, "test")))
        self.state: PartitionState = self.line.restore(0)
        self._next: dict[str, int] = {}

    def send(self, topic: str, at_s: float, agent: str = "a", **more: object) -> list[dict[str, Any]]:
        """Apply one event at NOW_S + at_s; the signals that follow."""
        first = self._next.get(topic, 0)
        self._next[topic] = first + 1
        now_s = NOW_S + at_s
        values: list[bytes | None] = [event(topic, agent, now_s, seq=first, **more)]
        batch = RecordColumns(topic, 0, [first], [round(now_s * 1000)], values, first + 1)
        outputs = self.line.apply(self.state, batch, now_s)
        return [dict(row) for row in outputs.rows["fleet.signals"]]

    def tick(self, at_s: float) -> list[dict[str, Any]]:
        """What time brings, without summaries."""
        now_s = NOW_S + at_s
        found = self.line.tick(
            self.state, now_s, beats_until_s=now_s, steps_until_s=None, until_s=dict.fromkeys((METRICS, HOSTS), now_s)
        )
        return [dict(row) for row in found.rows["fleet.signals"] if row["kind"] != "summary"]

    def use(self, rules: str) -> None:
        """Judge by other rules from now on."""
        self.line.signals.use(parse_pack("version: 1\nrules:\n" + rules, "other"))

    def restart(self) -> None:
        """Continue from snapshots."""
        self.state = self.line.restore(0, [raw for _, raw in self.state.take_dirty_snapshots()])


def brief(rows: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(row["name"], row["kind"], row["severity"]) for row in rows]


def named(row: dict[str, Any], field: str) -> dict[str, str]:
    return {pair["name"]: pair["value"] for pair in row[field]}
