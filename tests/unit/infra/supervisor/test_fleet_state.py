"""The fleet as its derived topics tell it."""

from __future__ import annotations

from typing import Any

from infra.supervisor.fleet_state import FleetState


def alert(fingerprint: str, epoch: int, state: str, suppressed_by: str | None = None) -> dict[str, Any]:
    return {"fingerprint": fingerprint, "epoch": epoch, "state": state, "suppressed_by": suppressed_by}


def test_the_latest_status_and_trust_of_each_agent_count() -> None:
    fleet = FleetState()
    for agent, status, trust in (("a", "online", 0.9), ("b", "online", 0.4), ("a", "late", 0.2)):
        fleet.apply("fleet.status", {"agent_id": agent, "status": status})
        fleet.apply("fleet.trust", {"agent_id": agent, "trust": trust})
    assert fleet.counts() == {"late": 1, "online": 1}
    assert fleet.lowest_trust(5) == [("a", 0.2), ("b", 0.4)]
    assert fleet.lowest_trust(1) == [("a", 0.2)]


def test_alerts_fire_until_they_are_resolved() -> None:
    fleet = FleetState()
    for record in (
        alert("x", 1, "firing"),
        alert("y", 1, "firing"),
        alert("x", 1, "resolved"),
        alert("x", 2, "firing"),
        alert("y", 2, "firing"),
        alert("z", 1, "resolved"),
    ):
        fleet.apply("fleet.alerts", record)
    assert fleet.firing == 2
    newest = [(a["fingerprint"], a["epoch"], a["state"]) for a in fleet.newest_alerts(8)]
    assert newest == [("y", 2, "firing"), ("x", 2, "firing"), ("z", 1, "resolved")]


def test_what_nobody_is_told_is_counted_apart() -> None:
    fleet = FleetState()
    fleet.apply("fleet.alerts", alert("x", 1, "firing"))
    fleet.apply("fleet.alerts", alert("root", 1, "firing"))
    fleet.apply("fleet.alerts", alert("x", 1, "firing", "incident:root"))
    fleet.apply("fleet.alerts", alert("y", 1, "firing", "incident:root"))
    assert (fleet.firing, fleet.suppressed) == (1, 2)
    assert [a["fingerprint"] for a in fleet.newest_alerts(8)] == ["root"]
    fleet.apply("fleet.alerts", alert("y", 1, "resolved", "incident:root"))
    assert (fleet.firing, fleet.suppressed) == (1, 1)


def test_a_replay_changes_nothing_and_old_alerts_are_forgotten() -> None:
    fleet = FleetState()
    for _ in range(2):
        for n in range(80):
            fleet.apply("fleet.alerts", alert(str(n), 1, "firing"))
    assert fleet.firing == 80
    assert len(fleet.newest_alerts(100)) == 50


def test_resolved_before_it_was_seen_firing() -> None:
    fleet = FleetState()
    fleet.apply("fleet.alerts", alert("x", 1, "resolved"))
    assert (fleet.firing, fleet.suppressed) == (0, 0)
