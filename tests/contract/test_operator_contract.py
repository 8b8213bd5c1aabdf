"""What every columnar operator promises: one suite over all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest

from streams.operators import anomaly, counters, forecast, heartbeat, trust
from streams.operators.arrays import Field, SlotArrays

Batch = dict[str, np.ndarray[Any, Any]]
Outputs = list[tuple[Any, ...]]
START_S = 1_790_000_000.0


@dataclass(frozen=True)
class Operator:
    """`update` gives outputs as rows; the first two entries are slot and row of the batch.

    `ignores_doubles` is false for trust, whose evidence is a sum without memory of single events: who feeds it must
    remove doubles by session and seq.
    """

    name: str
    fields: Mapping[str, Field]
    draw: Callable[[np.random.Generator, int, int], Batch]
    update: Callable[[SlotArrays, Batch], Outputs]
    ignores_doubles: bool


def _times(rng: np.random.Generator, rows: int) -> np.ndarray[Any, Any]:
    return START_S + np.sort(rng.uniform(0, 3 * 86_400, rows))


def _slots(rng: np.random.Generator, rows: int, agents: int) -> np.ndarray[Any, Any]:
    return rng.integers(0, agents, rows).astype(np.int32)


def _draw_trust(rng: np.random.Generator, rows: int, agents: int) -> Batch:
    return {
        "slots": _slots(rng, rows, agents),
        "ok": rng.choice([0.0, 1.0, 2.5, np.nan], rows, p=[0.1, 0.5, 0.35, 0.05]),
        "bad": rng.choice([0.0, 1.0, 3.0, 30.0], rows, p=[0.8, 0.1, 0.05, 0.05]),
        "event_time_s": _times(rng, rows),
    }


def _trust(config: trust.TrustConfig) -> Callable[[SlotArrays, Batch], Outputs]:
    def update(arrays: SlotArrays, batch: Batch) -> Outputs:
        trust.update(config, arrays, **batch)
        return []

    return update


def _draw_anomaly(rng: np.random.Generator, rows: int, agents: int) -> Batch:
    values = rng.normal(100, 5, (rows, 3))
    values[rng.random(values.shape) < 0.05] = np.nan
    values[rng.random(values.shape) < 0.02] *= 8
    return {"slots": _slots(rng, rows, agents), "values": values, "event_time_s": _times(rng, rows)}


def _anomaly(arrays: SlotArrays, batch: Batch) -> Outputs:
    flags = anomaly.update(anomaly.AnomalyConfig(), arrays, **batch)
    rest = [getattr(flags, f.name) for f in fields(flags) if f.name != "row"]
    return list(zip(batch["slots"][flags.row].tolist(), flags.row.tolist(), *(c.tolist() for c in rest), strict=True))


def _draw_heartbeat(rng: np.random.Generator, rows: int, agents: int) -> Batch:
    now = _times(rng, rows)
    return {
        "slots": _slots(rng, rows, agents),
        "event_time_s": now,
        "interval_s": rng.choice([np.nan, 30.0, 30.0, 60.0], rows),
        "next_beat_by_s": np.where(rng.random(rows) < 0.1, now + 1200, np.nan),
        "progress": np.where(rng.random(rows) < 0.5, np.floor(now / 10_000), np.nan),
        "status_code": rng.choice([0, 1, 2, 3], rows, p=[0.85, 0.05, 0.05, 0.05]).astype(np.uint8),
    }


def _heartbeat(arrays: SlotArrays, batch: Batch) -> Outputs:
    found = heartbeat.update(heartbeat.HeartbeatConfig(), arrays, **batch)
    return list(zip(*(getattr(found, f.name).tolist() for f in fields(found)), strict=True))


FORECASTS = forecast.ForecastConfig(
    targets=(forecast.Target("a", 3600.0, 120.0), forecast.Target("b", 7200.0, 130.0, leak=True)),
    warm_up=2,
    leak_hours=2,
)


def _forecast(arrays: SlotArrays, batch: Batch) -> Outputs:
    """Each agent a group of its own: what a group shares would tie agents together, as it is meant to."""
    columns = np.array([0, 2], np.int32)
    found = forecast.update(FORECASTS, arrays, arrays, groups=batch["slots"], columns=columns, **batch)
    return list(zip(*(getattr(found, f.name).tolist() for f in fields(found)), strict=True))


def _draw_counters(rng: np.random.Generator, rows: int, agents: int) -> Batch:
    """Counters that restart in the first half of the slots, noise in the others."""
    slots, times = _slots(rng, rows, agents), _times(rng, rows)
    values = np.where(slots < agents / 2, (times - START_S) % 40_000, rng.normal(100, 5, rows))
    values[rng.random(rows) < 0.05] = np.nan
    return {"slots": slots, "values": values, "event_time_s": times}


def _counters(arrays: SlotArrays, batch: Batch) -> Outputs:
    found = counters.update(arrays, late_s=600.0, **batch)
    rows = np.flatnonzero(np.isfinite(found.per_s))
    columns = (batch["slots"], np.arange(found.per_s.size), found.per_s, found.counts)
    return list(zip(*(column[rows].tolist() for column in columns), strict=True))


OPERATORS = [
    Operator("counters", counters.FIELDS, _draw_counters, _counters, ignores_doubles=True),
    Operator("trust", trust.FIELDS, _draw_trust, _trust(trust.TrustConfig()), ignores_doubles=False),
    Operator(
        "trust-classic", trust.FIELDS, _draw_trust, _trust(trust.TrustConfig(model="classic")), ignores_doubles=False
    ),
    Operator("anomaly", anomaly.fields(3), _draw_anomaly, _anomaly, ignores_doubles=True),
    Operator("heartbeat", heartbeat.FIELDS, _draw_heartbeat, _heartbeat, ignores_doubles=True),
    Operator(
        "forecast",
        {**forecast.fields(FORECASTS.targets), **forecast.learned_fields(FORECASTS.targets)},
        _draw_anomaly,
        _forecast,
        ignores_doubles=True,
    ),
]
AGENTS, ROWS = 7, 1500


@pytest.fixture(params=OPERATORS, ids=lambda operator: operator.name)
def operator(request: pytest.FixtureRequest) -> Operator:
    found: Operator = request.param
    return found


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260101)


def _new(operator: Operator, agents: int = AGENTS) -> SlotArrays:
    arrays = SlotArrays(operator.fields)
    arrays.reserve(agents)
    return arrays


def _part(batch: Batch, rows: slice | np.ndarray[Any, Any]) -> Batch:
    return {name: column[rows] for name, column in batch.items()}


def _state(arrays: SlotArrays, agents: int = AGENTS) -> dict[str, np.ndarray[Any, Any]]:
    return arrays.take(np.arange(agents))


def _assert_same(left: Mapping[str, np.ndarray[Any, Any]], right: Mapping[str, np.ndarray[Any, Any]]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        assert left[name].dtype == right[name].dtype
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)


def _without_row(outputs: Outputs) -> Outputs:
    return [(slot, *rest) for slot, _, *rest in outputs]


def test_deterministic(operator: Operator, rng: np.random.Generator) -> None:
    batch = operator.draw(rng, ROWS, AGENTS)
    one, two = _new(operator), _new(operator)
    assert str(operator.update(one, batch)) == str(operator.update(two, batch))
    _assert_same(_state(one), _state(two))


@pytest.mark.parametrize("parts", [2, 7, ROWS])
def test_splitting_a_batch_changes_nothing(operator: Operator, rng: np.random.Generator, parts: int) -> None:
    batch = operator.draw(rng, ROWS, AGENTS)
    whole, split = _new(operator), _new(operator)
    expected = operator.update(whole, batch)
    found: Outputs = []
    for rows in np.array_split(np.arange(ROWS), parts):
        found += operator.update(split, _part(batch, rows))
    # Flags and transitions both come in batch order.
    assert str(_without_row(found)) == str(_without_row(expected))
    _assert_same(_state(whole), _state(split))


def test_permuting_agents_permutes_outputs(operator: Operator, rng: np.random.Generator) -> None:
    batch = operator.draw(rng, ROWS, AGENTS)
    permutation = rng.permutation(AGENTS).astype(np.int32)
    plain, permuted = _new(operator), _new(operator)
    expected = operator.update(plain, batch)
    found = operator.update(permuted, {**batch, "slots": permutation[batch["slots"]]})
    assert str([(int(permutation[slot]), *rest) for slot, *rest in expected]) == str([tuple(row) for row in found])
    _assert_same(_state(plain), permuted.take(permutation))


def test_interleaving_of_agents_does_not_matter(operator: Operator, rng: np.random.Generator) -> None:
    batch = operator.draw(rng, ROWS, AGENTS)
    one, two = _new(operator), _new(operator)
    operator.update(one, batch)
    operator.update(two, _part(batch, np.argsort(batch["slots"], kind="stable")))
    _assert_same(_state(one), _state(two))


def test_empty_batch_is_identity(operator: Operator, rng: np.random.Generator) -> None:
    arrays = _new(operator)
    operator.update(arrays, operator.draw(rng, 200, AGENTS))
    before = _state(arrays)
    assert operator.update(arrays, operator.draw(rng, 0, AGENTS)) == []
    _assert_same(before, _state(arrays))


def test_snapshot_and_restore_is_exact(operator: Operator, rng: np.random.Generator) -> None:
    first, second = operator.draw(rng, 700, AGENTS), operator.draw(rng, 700, AGENTS)
    second["event_time_s"] = second["event_time_s"] + 3 * 86_400
    arrays = _new(operator)
    operator.update(arrays, first)
    moved = rng.permutation(AGENTS).astype(np.int32)
    restored = SlotArrays(operator.fields)
    restored.put(moved, arrays.take(np.arange(AGENTS)))
    expected = operator.update(arrays, second)
    found = operator.update(restored, {**second, "slots": moved[second["slots"]]})
    assert len(found) == len(expected)
    _assert_same(_state(arrays), restored.take(moved))


def test_rows_without_a_time_change_nothing(operator: Operator, rng: np.random.Generator) -> None:
    arrays = _new(operator)
    operator.update(arrays, operator.draw(rng, 300, AGENTS))
    before = _state(arrays)
    batch = operator.draw(rng, 50, AGENTS)
    assert operator.update(arrays, {**batch, "event_time_s": np.full(50, np.nan)}) == []
    _assert_same(before, _state(arrays))


@pytest.mark.parametrize("operator", [o for o in OPERATORS if o.ignores_doubles], ids=lambda operator: operator.name)
def test_doubles_and_late_rows_change_nothing(operator: Operator, rng: np.random.Generator) -> None:
    batch = operator.draw(rng, 300, AGENTS)
    batch["event_time_s"] = START_S + np.arange(300.0)
    arrays = _new(operator)
    operator.update(arrays, batch)
    before = _state(arrays)
    operator.update(arrays, _part(batch, slice(150, None)))
    _assert_same(before, _state(arrays))


def test_every_field_says_what_it_is(operator: Operator) -> None:
    for name, spec in operator.fields.items():
        assert len(spec.doc) > 20, name
        if np.isnan(spec.fill):
            assert "NaN" in spec.doc, name


def test_unused_slots_keep_the_fill(operator: Operator, rng: np.random.Generator) -> None:
    arrays = _new(operator, 50)
    operator.update(arrays, operator.draw(rng, ROWS, AGENTS))
    for name, spec in operator.fields.items():
        np.testing.assert_array_equal(
            arrays[name][AGENTS:50], np.full((50 - AGENTS, *spec.shape), spec.fill, spec.dtype)
        )
