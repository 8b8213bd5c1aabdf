"""What a partition says of its groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from stream_world import NOW_S, columns, event, pipeline

BEATS, VIOLATIONS = "fleet.heartbeats", "fleet.violations"


def _groups(rows: list[Any]) -> dict[tuple[str, str], dict[str, Any]]:
    [row] = [row for row in rows if row["kind"] == "summary"]
    return {(group["kind"], group["name"]): group for group in row.get("groups", ())}


def test_groups_are_counted_changed_ones_told_and_the_own_tenant_left_out() -> None:
    line = pipeline()
    state = line.restore(3)
    beats = [
        event(BEATS, f"a{n}", NOW_S, user_id=("one", "two")[n % 2], host=f"h{n // 2}", status="online", interval_s=10.0)
        for n in range(4)
    ]
    beats.append(event(BEATS, "self", NOW_S, user_id="fleetpulse", status="online", interval_s=10.0))
    line.apply(state, columns(BEATS, beats), NOW_S)
    line.apply(
        state, columns(VIOLATIONS, [event(VIOLATIONS, "a0", NOW_S - t, severity="low") for t in (0, 9, 4000)]), NOW_S
    )
    first = line.tick(state, NOW_S, beats_until_s=NOW_S, steps_until_s=None).rows["fleet.signals"]
    [told] = [row for row in first if row["kind"] == "summary"]
    assert (told["agent_id"], told["partition"], told["complete"]) == ("partition:3", 3, True)
    found = _groups(list(first))
    assert found["fleet", ""]["agents"] == found["fleet", ""]["online"] == 4
    assert (found["tenant", "one"]["agents"], found["host", "h1"]["agents"]) == (2, 2)
    assert found["tenant", "fleetpulse"]["agents"] == 1
    assert (found["fleet", ""]["violations"], found["tenant", "two"]["violations"]) == (2, 0)
    assert 0.6 * 4 < found["fleet", ""]["trust_sum"] < 4
    quiet = line.tick(state, NOW_S + 2, beats_until_s=NOW_S, steps_until_s=None).rows["fleet.signals"]
    assert list(quiet) == []
    line.apply(state, columns(BEATS, [event(BEATS, "a3", NOW_S + 3, status="stopping")], first=5), NOW_S + 3)
    later = _groups(list(line.tick(state, NOW_S + 3, beats_until_s=NOW_S, steps_until_s=None).rows["fleet.signals"]))
    assert set(later) == {("fleet", ""), ("tenant", "two"), ("host", "h1")}
    assert later["fleet", ""]["agents"] == 3


def test_the_summary_comes_before_the_alerts_that_follow() -> None:
    line = pipeline()
    state = line.restore(0)
    line.apply(state, columns(BEATS, [event(BEATS, "a", NOW_S, status="online", interval_s=5.0)]), NOW_S)
    line.tick(state, NOW_S, beats_until_s=NOW_S, steps_until_s=None)
    gone = line.tick(state, NOW_S + 0.3, beats_until_s=NOW_S + 3600, steps_until_s=None).rows["fleet.signals"]
    assert [(row["kind"], row.get("name")) for row in gone] == [("summary", None), ("firing", "agent_offline")]
    assert gone[0]["groups"][0]["offline"] == 1


def test_what_is_kept_between_ticks_says_what_a_fresh_look_says() -> None:
    line = pipeline()
    state = line.restore(0)
    rng = np.random.default_rng(3)
    seen: list[Any] = []
    for second in range(20):
        now_s = NOW_S + second
        some = sorted({f"a{n}" for n in rng.integers(0, 40, 6).tolist()})
        beats = [
            event(BEATS, a, now_s, user_id=f"t{int(a[1:]) % 3}", host=f"h{int(a[1:]) // 9}", status="healthy")
            for a in some
        ]
        reports = [event("fleet.metrics", a, now_s, compliance_rate=float(rng.random()), policy_checks=9) for a in some]
        breaches = [event(VIOLATIONS, a, now_s, severity="high") for a in some[:1]]
        for topic, values in ((BEATS, beats), ("fleet.metrics", reports), (VIOLATIONS, breaches)):
            line.apply(state, columns(topic, values, first=100 * second), now_s)
        seen += line.tick(state, now_s, beats_until_s=now_s, steps_until_s=None).rows["fleet.signals"]
    again = line.restore(0, [raw for _, raw in state.take_dirty_snapshots()])
    fresh = _groups(list(line.tick(again, NOW_S + 20, beats_until_s=None, steps_until_s=None).rows["fleet.signals"]))
    told: dict[tuple[str, str], dict[str, Any]] = {}
    for row in seen:
        told |= {(group["kind"], group["name"]): group for group in row.get("groups", ())}
    assert told.keys() == fresh.keys()
    for key, group in fresh.items():
        for name in ("agents", "online", "violations"):
            assert told[key][name] == group[name], (key, name)
        assert told[key]["trust_sum"] == pytest.approx(group["trust_sum"], rel=2e-3)
        assert told[key]["compliant"] == pytest.approx(group["compliant"], rel=2e-2)
