"""Metrics of one's own through the pipeline, from events to rows of fleet.anomalies."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from stream_world import NOW_S, columns, event, pipeline

STEP_S = 30.0
REPORTS = 400


def _flagged(topic: str, series: dict[str, np.ndarray[Any, Any]]) -> list[dict[str, Any]]:
    """Rows of fleet.anomalies for an agent that reports `series` every `STEP_S`."""
    line = pipeline()
    state = line.restore(0)
    needed = {"host": "h", "cpu_usage": 1.0, "memory_usage": 1.0} if topic == "fleet.hosts" else {}
    events = []
    for i in range(REPORTS):
        custom = [{"name": name, "value": float(values[i])} for name, values in series.items()]
        events.append(event(topic, "a", NOW_S + STEP_S * i, seq=i, custom=custom, **needed))
    rows = line.apply(state, columns(topic, events), NOW_S + STEP_S * REPORTS).rows.get("fleet.anomalies", [])
    return [dict(row) for row in rows]


@pytest.mark.parametrize("topic", ["fleet.metrics", "fleet.hosts"])
def test_a_counter_is_not_flagged_for_counting_nor_for_a_restart(topic: str) -> None:
    rng = np.random.default_rng(1)
    steady = np.cumsum(rng.normal(300, 20, REPORTS).clip(0))
    restarted = np.concatenate([steady[:250], steady[:150]])
    uptime = STEP_S * np.arange(REPORTS)
    rows = _flagged(topic, {"tokens": steady, "requests": restarted, "process.uptime": uptime})
    assert not Counter(row["metric"] for row in rows if not row["metric"].endswith(".per_second"))
    assert len(rows) <= 2  # rates of noise, as of any noise


def test_a_rate_that_changes_is_flagged_as_a_rate() -> None:
    rng = np.random.default_rng(2)
    gained = rng.normal(300, 20, REPORTS).clip(0)
    gained[300:] *= 8
    rows = _flagged("fleet.metrics", {"tokens": np.cumsum(gained)})
    assert {row["metric"] for row in rows} == {"custom:tokens.per_second"}
    first = rows[0]
    assert first["timestamp"] == round((NOW_S + STEP_S * 300) * 1e6)
    assert first["value"] == pytest.approx(gained[300] / STEP_S)
    assert 9 < first["expected"] < 11
    assert first["lower"] <= first["expected"] <= first["upper"] < first["value"]


def test_a_level_is_looked_at_as_before() -> None:
    rng = np.random.default_rng(3)
    level = rng.normal(300, 20, REPORTS)
    level[300:] *= 8
    rows = _flagged("fleet.metrics", {"queue": level})
    assert {row["metric"] for row in rows} == {"custom:queue"}
    assert rows[0]["value"] == pytest.approx(level[300])
