"""Budgets add up what a window saw, whoever's batches it came in, and forget it as the window rolls on."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from stream_world import NOW_S, columns, event

from streams.operators.arrays import SlotArrays
from streams.pipeline import Pipeline, PipelineConfig
from streams.rules.budgets import FIELDS, STEPS, add, step_number, within
from streams.rules.load import parse_pack
from streams.state.partition import PartitionState

METRICS, VIOLATIONS, LIFECYCLE = "fleet.metrics", "fleet.violations", "fleet.lifecycle"
HOUR_S = 3600.0
PACK = """
version: 1
rules:
  - {name: spend, kind: budget, metric: "custom:cost", of: tenant, limit: 50, window: 1h}
  - {name: tokens, kind: budget, metric: "custom:tokens", of: agent, limit: 1000, window: 1h}
  - {name: errors, kind: budget, metric: failed_requests, per: request_count, of: deployment, limit: 0.05, window: 1h}
  - {name: turns, kind: budget, metric: failures, per: completed, of: fleet, limit: 0.1, window: 1d}
  - {name: breaches, kind: budget, metric: violations, of: fleet, limit: 3, window: 1d, match: {user_id: "o*"}}
"""


def line(text: str = PACK) -> Pipeline:
    return Pipeline(dataclasses.replace(PipelineConfig(), rules=parse_pack(text, "test")))


def report(agent: str, at_s: float, user: str = "one", **more: Any) -> bytes:  # noqa: ANN401  # fields of an event
    custom = [{"name": name, "value": more.pop(name)} for name in ("cost", "tokens") if name in more]
    return event(METRICS, agent, at_s, user_id=user, custom=custom, **more)


def spent(one: Pipeline, state: PartitionState, now_s: float) -> dict[tuple[str, str], float]:
    """Budgets in the next summary, by kind and name."""
    rows = one.tick(state, now_s, beats_until_s=None, steps_until_s=None).rows["fleet.signals"]
    groups = [group for row in rows if row["kind"] == "summary" for group in row["groups"]]
    return {(g["kind"], g["name"]): g["spent"] for g in groups if ":" in g["kind"]}


def test_every_name_adds_up_by_its_scope() -> None:
    one = line()
    state = one.restore(0)
    reports = [
        report("a", NOW_S, cost=10.0, tokens=400.0, deployment_id="prod", error_rate=0.1, request_count=50.0),
        report("b", NOW_S, cost=5.0, tokens=600.0, deployment_id="prod", success_rate=90.0, request_count=10.0),
        report("c", NOW_S, user="two", cost=2.0, request_count=float("nan")),
        report("a", NOW_S, cost=1.0),
    ]
    one.apply(state, columns(METRICS, reports), NOW_S)
    found = spent(one, state, NOW_S)
    assert found["budget:spend", "one"] == 16
    assert found["budget:spend", "two"] == 2
    assert found["budget:tokens", "b"] == 600
    assert ("budget:tokens", "a") not in found  # far from its limit: nobody else counts for it
    assert found["budget:errors", "prod"] == 6
    assert found["per:errors", "prod"] == 60
    steps = [event(LIFECYCLE, "a", NOW_S, kind="tool_completed", status=said) for said in ("success", "failure", None)]
    breaches = [event(VIOLATIONS, agent, NOW_S, user_id=user) for agent, user in (("a", "one"), ("c", "two"))]
    one.apply(state, columns(LIFECYCLE, steps), NOW_S)
    one.apply(state, columns(VIOLATIONS, breaches), NOW_S)
    assert spent(one, state, NOW_S + 1) == {
        ("budget:turns", ""): 1, ("per:turns", ""): 2, ("budget:breaches", ""): 1,
    }  # fmt: skip


def test_a_window_rolls_on_without_events() -> None:
    one = line()
    state = one.restore(0)
    one.apply(state, columns(METRICS, [report("a", NOW_S, cost=60.0), report("a", NOW_S - 1800, cost=3.0)]), NOW_S)
    assert spent(one, state, NOW_S) == {("budget:spend", "one"): 63}
    assert spent(one, state, NOW_S + 2) == {}
    assert spent(one, state, NOW_S + 1805) == {("budget:spend", "one"): 60}
    assert spent(one, state, NOW_S + 1820) == {}
    assert spent(one, state, NOW_S + HOUR_S + 5) == {}  # complete: what is not in it is no more


def test_a_restart_and_a_replay_change_nothing() -> None:
    one = line()
    state = one.restore(0)
    batch = columns(METRICS, [report(f"a{n}", NOW_S, cost=1.0, tokens=900.0) for n in range(100)])
    one.apply(state, batch, NOW_S)
    before = spent(one, state, NOW_S)
    assert before["budget:spend", "one"] == 100
    again = one.restore(0, [raw for _, raw in state.take_dirty_snapshots()])
    one.apply(again, batch, NOW_S)
    assert spent(one, again, NOW_S) == before
    more = columns(METRICS, [report("a1", NOW_S + 1, cost=1.0)], first=100)
    one.apply(again, more, NOW_S + 1)
    assert spent(one, again, NOW_S + 2)["budget:spend", "one"] == 101


def test_half_of_the_snapshots_of_a_flush_are_enough() -> None:
    one = line()
    state = one.restore(0)
    first = columns(METRICS, [report(f"a{n}", NOW_S, cost=1.0) for n in range(100)])
    second = columns(METRICS, [report(f"a{n}", NOW_S, cost=1.0) for n in range(100)], first=100)
    one.apply(state, first, NOW_S)
    snapshots = dict(state.take_dirty_snapshots())
    one.apply(state, second, NOW_S)
    newer = state.take_dirty_snapshots()
    snapshots.update(newer[: len(newer) // 2])  # the crash came in the middle
    again = one.restore(0, snapshots.values())
    for batch in (first, second):
        one.apply(again, batch, NOW_S)
    assert spent(one, again, NOW_S)["budget:spend", "one"] == 200


def test_another_window_begins_anew_and_the_same_rules_go_on() -> None:
    one = line()
    state = one.restore(0)
    one.apply(state, columns(METRICS, [report("a", NOW_S, cost=7.0)]), NOW_S)
    assert spent(one, state, NOW_S) == {("budget:spend", "one"): 7}
    one.signals.use(parse_pack(PACK.replace("limit: 50, window: 1h", "limit: 50, window: 2h"), "test"))
    one.apply(state, columns(METRICS, [report("a", NOW_S, cost=1.0)], first=1), NOW_S)
    assert spent(one, state, NOW_S + 1) == {("budget:spend", "one"): 1}
    one.signals.use(parse_pack(PACK, "test"))
    assert spent(one, state, NOW_S + 31)["budget:spend", "one"] == 7


rows = st.lists(st.tuples(st.integers(0, 3), st.integers(-400, 400), st.integers(-100, 100)), min_size=1, max_size=60)


@given(rows, st.data())
def test_splitting_a_batch_changes_nothing_and_a_list_agrees(
    found: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    slots = np.array([slot for slot, _, _ in found], np.int32)
    times_s = np.array([10_000.0 + at for _, at, _ in found])
    amounts = np.array([float(amount) for _, _, amount in found])
    cut = data.draw(st.integers(0, len(found)))
    whole, split = SlotArrays(FIELDS, 4), SlotArrays(FIELDS, 4)
    add(whole, "spent", slots, times_s, amounts, 2.0)
    for part in (slice(0, cut), slice(cut, None)):
        add(split, "spent", slots[part], times_s[part], amounts[part], 2.0)
    for name in FIELDS:
        np.testing.assert_array_equal(whole[name], split[name])
    newest_s = {slot: max(t for s, t, _ in found if s == slot) for slot, _, _ in found}
    for slot, at in newest_s.items():
        running = step_number(10_000.0 + at, 2.0)
        expected = sum(
            amount for s, t, amount in found if s == slot and step_number(10_000.0 + t, 2.0) > running - STEPS
        )
        assert within(whole, np.array([slot], np.int32), running)[0, 0] == expected
