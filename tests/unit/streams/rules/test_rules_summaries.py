"""What a partition says of its groups."""

from __future__ import annotations

from typing import Any

from stream_world import NOW_S, columns, event, pipeline

BEATS, VIOLATIONS = "fleet.heartbeats", "fleet.violations"


def _groups(rows: list[Any]) -> dict[tuple[str, str], dict[str, Any]]:
    [row] = [row for row in rows if row["kind"] == "summary"]
    return {(group["kind"], group["name"]): group for group in row["groups"]}


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
