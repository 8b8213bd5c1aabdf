"""Arrivals through the pipeline with time as it was: what fires, what does not depend on windows, gaps."""

from __future__ import annotations

import polars as pl
import pytest
from stream_world import NOW_S, event

from schemas.catalogue import TOPICS
from schemas.columnar import ROW, decode_batch
from schemas.registry import SchemaBook
from streams.backtest.replay import Replay
from streams.pipeline import Pipeline, PipelineConfig
from streams.rules.load import parse_pack
from streams.rules.model import Pack

INTERVAL_S = 2.0
HOT = """
version: 1
rules:
  - {name: hot, kind: threshold, of: agents, metric: cpu_usage, above: LIMIT, severity: warning}
  - {name: gone, kind: status, status: offline, severity: critical}
"""


def pack(limit: int = 80) -> Pack:
    return parse_pack(HOT.replace("LIMIT", str(limit)), "test.yaml")


def replay(rules: Pack) -> Replay:
    return Replay(Pipeline(PipelineConfig(rules=rules)))


def arrivals(topic: str, messages: list[tuple[float, bytes]]) -> tuple[str, pl.DataFrame]:
    """What `LakeReader` gives for messages that arrived at these seconds after `NOW_S`."""
    frame = decode_batch(SchemaBook(TOPICS[topic].schema), [raw for _, raw in messages]).frame.drop(ROW)
    arrived = pl.Series("arrived_us", [int((NOW_S + at_s) * 1e6) for at_s, _ in messages])
    return topic, frame.with_columns(arrived)


def beats(agent: str, from_s: float, to_s: float) -> list[tuple[float, bytes]]:
    return [
        (at_s, event("fleet.heartbeats", agent, NOW_S + at_s, seq=int(at_s), status="healthy", interval_s=INTERVAL_S))
        for at_s in (from_s + INTERVAL_S * n for n in range(int((to_s - from_s) / INTERVAL_S)))
    ]


def cpu(agent: str, values: dict[float, float]) -> list[tuple[float, bytes]]:
    return [
        (at_s, event("fleet.metrics", agent, NOW_S + at_s, seq=int(at_s), cpu_usage=value))
        for at_s, value in values.items()
    ]


def raised(found: Replay) -> list[tuple[str, str]]:
    return [(one.name, one.agent_id) for one in found.raised]


def test_a_rule_fires_and_ends_when_its_values_did() -> None:
    values = arrivals("fleet.metrics", cpu("a", {0.0: 10.0, 5.0: 90.0, 10.0: 20.0}))
    found = replay(pack())
    found.feed([values])
    [one] = found.raised
    assert (one.name, one.agent_id) == ("hot", "a")
    assert one.started_us == pytest.approx((NOW_S + 5) * 1e6)
    assert one.ended_us == pytest.approx((NOW_S + 10) * 1e6, abs=2e6)
    stricter = replay(pack(limit=95))
    stricter.feed([values])
    assert stricter.raised == []


def test_who_falls_silent_is_missed_while_others_go_on() -> None:
    messages = sorted(beats("silent", 0, 20) + beats("alive", 0, 60))
    found = replay(pack())
    found.feed([arrivals("fleet.heartbeats", messages)])
    assert raised(found) == [("gone", "silent")]


def test_windows_change_nothing() -> None:
    messages = sorted(beats("silent", 0, 20) + beats("alive", 0, 60))
    whole, parts = replay(pack()), replay(pack())
    whole.feed([arrivals("fleet.heartbeats", messages)])
    for begin in range(0, len(messages), 7):
        parts.feed([arrivals("fleet.heartbeats", messages[begin : begin + 7])])
    assert parts.raised == whole.raised
    assert parts.rows == whole.rows == len(messages)


def test_nobody_is_missed_while_the_system_was_away() -> None:
    found = replay(pack())
    for begin_s in (0, 5_000):
        found.feed(
            [
                arrivals(
                    "fleet.heartbeats", sorted(beats("a", begin_s, begin_s + 20) + beats("b", begin_s, begin_s + 20))
                )
            ]
        )
    assert (found.raised, found.gaps) == ([], 1)
    first_us, again_us = found.begun_us
    assert 4_999 <= (again_us - first_us) / 1e6 <= 5_001


MANY = """
version: 1
rules:
  - {name: few, kind: fleet, measure: online_share, below: 0.8, least: 2, for: 2s}
  - {name: spend, kind: budget, metric: "custom:cost", of: tenant, limit: 10, window: 1m, burn: {critical: 1.0}}
"""


def test_the_alert_manager_decides_on_groups_and_budgets() -> None:
    costs = [
        (at_s, event("fleet.metrics", agent, NOW_S + at_s, seq=int(at_s), custom=[{"name": "cost", "value": 6.0}]))
        for at_s, agent in ((5.0, "a"), (7.0, "b"))
    ]
    alive = sorted(beats("a", 0, 100) + beats("b", 0, 40))
    found = replay(parse_pack(MANY, "test.yaml"))
    found.feed([arrivals("fleet.metrics", costs), arrivals("fleet.heartbeats", alive)])
    spend, few = found.raised
    assert (few.name, few.agent_id, few.kind, few.ended_us) == ("few", "fleet", "fleet", None)
    assert few.started_us / 1e6 > NOW_S + 40
    assert (spend.name, spend.agent_id, spend.kind) == ("spend", "tenant:tenant", "budget")
    assert spend.started_us / 1e6 == pytest.approx(NOW_S + 8, abs=2)
    assert spend.ended_us is not None
    assert spend.ended_us / 1e6 == pytest.approx(NOW_S + 66, abs=3)


def test_a_replay_tells_after_each_step_in_which_something_arrived() -> None:
    heard: list[tuple[int, int]] = []
    found = replay(pack())
    found.feed(
        [arrivals("fleet.metrics", cpu("a", {0.0: 1.0, 5.0: 2.0, 5.5: 3.0}))], lambda at: heard.append((at, found.rows))
    )
    assert heard == [(int((NOW_S + 1) * 1e6), 1), (int((NOW_S + 6) * 1e6), 3)]
