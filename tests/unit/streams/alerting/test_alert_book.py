from __future__ import annotations

import numpy as np
import pytest

from streams.alerting import causes
from streams.alerting.book import FIELDS, AlertBook, AlertEvents, Cause, fingerprint
from streams.alerting.rules import RULE_INDEX, RULES, AlertConfig
from streams.operators import anomaly, heartbeat, trust
from streams.operators.arrays import SlotArrays
from streams.operators.heartbeat import Said
from streams.operators.silent import Finding

NOW_S = 1_790_000_000.0
CONFIG = AlertConfig()
KEYS = ["agent-0", "agent-1", "agent-2"]
ONE = np.ones(1, np.int32)


def _brief(events: AlertEvents) -> list[tuple[str, str, str, int]]:
    return [(row["name"], row["state"], row["severity"], row["epoch"]) for row in events.rows()]


def _trust(book: AlertBook, at_s: float, *events: tuple[float, float]) -> AlertEvents:
    """Alerts of agent 1 after (ok, bad), all at `at_s`."""
    config, arrays = trust.TrustConfig(), SlotArrays(trust.FIELDS, 2)
    ok, bad = np.array(events, np.float64).reshape(-1, 2).T
    trust.update(config, arrays, np.ones(ok.size, np.int32), ok, bad, np.full(ok.size, at_s))
    return causes.on_trust(CONFIG, book, ONE, KEYS, trust.read(config, arrays, ONE, at_s), np.array([at_s]))


def test_fingerprints_do_not_depend_on_the_order_of_labels() -> None:
    one = fingerprint("x", {"a": "1", "b": "2"})
    assert one == fingerprint("x", {"b": "2", "a": "1"}) != fingerprint("y", {"a": "1", "b": "2"})
    assert len(one) == 32
    assert int(one, 16) >= 0


def test_rules_keep_their_columns() -> None:
    """Snapshots hold the columns: a rule may be added at the end, never moved."""
    assert RULES[:6] == ("trust_low", "metric_anomaly", "agent_late", "agent_offline", "agent_degraded", "agent_failed")
    assert RULES[6:12] == (
        "orphan_tool_completed",
        "stuck_tool",
        "stale_thread",
        "missing_agent_started",
        "high_latency",
        "tool_loop",
    )


def test_an_alert_fires_once_and_again_after_it_resolved() -> None:
    book, out = AlertBook(), AlertEvents()
    for at in (1.0, 2.0):
        book.fire(out, 5, "a", 0, Cause(NOW_S + at, "down"))
    book.resolve(out, 5, "a", 0, Cause(NOW_S + 3, "up"))
    book.resolve(out, 5, "a", 0, Cause(NOW_S + 4, "up"))
    book.fire(out, 5, "a", 0, Cause(NOW_S + 5, "down"))
    rows = out.rows()
    assert [(row["state"], row["epoch"]) for row in rows] == [("firing", 1), ("resolved", 1), ("firing", 2)]
    assert len({row["fingerprint"] for row in rows}) == 1
    assert rows[1]["starts_at"] == rows[0]["starts_at"] == round((NOW_S + 1) * 1e6)
    assert rows[1]["ends_at"] == round((NOW_S + 3) * 1e6)


def test_getting_worse_fires_anew_getting_better_does_not() -> None:
    book, out = AlertBook(), AlertEvents()
    for severity in ("warning", "critical", "warning"):
        book.fire(out, 0, "a", 0, Cause(NOW_S, "low"), severity)
    book.resolve(out, 0, "a", 0, Cause(NOW_S, "fine"))
    assert _brief(out) == [
        ("trust_low", "firing", "warning", 1),
        ("trust_low", "firing", "critical", 2),
        ("trust_low", "resolved", "critical", 2),
    ]


@pytest.mark.parametrize("events", [[], [(1, 0)], [(3, 0), (0, 1)], [(1000, 0), (0, 30)]])
def test_little_evidence_does_not_fire(events: list[tuple[float, float]]) -> None:
    assert len(_trust(AlertBook(), NOW_S, *events)) == 0


def test_trust_fires_by_level_and_resolves_with_hysteresis() -> None:
    book = AlertBook()
    assert _brief(_trust(book, NOW_S, (90, 0), (0, 45))) == [("trust_low", "firing", "warning", 1)]
    assert _brief(_trust(book, NOW_S, (90, 0), (0, 120))) == [("trust_low", "firing", "critical", 2)]
    assert _brief(_trust(book, NOW_S, (790, 0), (0, 300))) == []
    resolved = _trust(book, NOW_S, (990, 0), (0, 30))
    assert _brief(resolved) == [("trust_low", "resolved", "critical", 2)]
    assert {e["name"] for e in resolved.rows()[0]["evidence"]} >= {"p", "n", "compliant", "violating", "violations"}


def _flags(trend: float) -> anomaly.Flags:
    one = np.ones(1)
    index = np.zeros(1, np.int32)
    terms = (trend * one, 0 * one, 0 * one, 8 * one, 0 * one)
    return anomaly.Flags(
        index, index, 8 * one, one, 0 * one, 2 * one, trend + 8 * one, *terms, lasting=trend * one, confidence=one
    )


def test_strong_flags_fire_and_resolve_after_a_quiet_time() -> None:
    book, at = AlertBook(), np.array([NOW_S])
    assert len(causes.on_flags(CONFIG, book, ONE, KEYS, _flags(5.0), ["cpu_usage"], at)) == 0
    fired = causes.on_flags(CONFIG, book, ONE, KEYS, _flags(11.0), ["cpu_usage"], at)
    assert _brief(fired) == [("metric_anomaly", "firing", "warning", 1)]
    assert fired.rows()[0]["summary"] == "agent-1: cpu_usage is 8, expected about 1"
    assert fired.rows()[0]["oldest_source_timestamp"] == round(NOW_S * 1e6)
    assert len(causes.on_flags(CONFIG, book, ONE, KEYS, _flags(11.0), ["cpu_usage"], at + 100)) == 0
    assert len(causes.on_time(CONFIG, book, KEYS, NOW_S + 200)) == 0
    assert _brief(causes.on_time(CONFIG, book, KEYS, NOW_S + 221)) == [("metric_anomaly", "resolved", "warning", 1)]
    assert len(causes.on_time(CONFIG, book, KEYS, NOW_S + 999)) == 0


class _World:
    """Agent 1 beats every ten seconds; its changes of status go into a book."""

    def __init__(self) -> None:
        self.arrays, self.book = SlotArrays(heartbeat.FIELDS, 2), AlertBook()
        self.config = heartbeat.HeartbeatConfig()

    def beat(self, at_s: float, said: Said = Said.HEALTHY) -> list[tuple[str, str, str, int]]:
        one = [np.array([x]) for x in (NOW_S + at_s, 10.0, np.nan, np.nan)]
        found = heartbeat.update(self.config, self.arrays, ONE, *one, np.array([said], np.uint8))
        return _brief(causes.on_transitions(self.book, KEYS, found))

    def look(self, at_s: float) -> list[tuple[str, str, str, int]]:
        found = heartbeat.scan(self.config, self.arrays, 2, NOW_S + at_s)
        return _brief(causes.on_transitions(self.book, KEYS, found))


def test_silence_goes_from_late_to_offline_and_resolves() -> None:
    world = _World()
    assert [world.beat(10.0 * i) for i in range(5)] == [[]] * 5
    assert world.look(70) == [("agent_late", "firing", "info", 1)]
    assert world.look(200) == [("agent_late", "resolved", "info", 1), ("agent_offline", "firing", "critical", 1)]
    assert world.beat(300) == [("agent_offline", "resolved", "critical", 1)]


def test_failing_degraded_and_stopping() -> None:
    world = _World()
    world.beat(0)
    assert world.beat(10, Said.FAILED) == [("agent_failed", "firing", "critical", 1)]
    assert world.beat(20, Said.DEGRADED) == [
        ("agent_failed", "resolved", "critical", 1),
        ("agent_degraded", "firing", "warning", 1),
    ]
    assert world.book.fires(1, RULE_INDEX["agent_degraded"])
    assert world.beat(30, Said.STOPPING) == [("agent_degraded", "resolved", "warning", 1)]
    assert world.look(9999) == []


def test_silent_failures_fire_by_kind() -> None:
    found = Finding("stuck_tool", "agent-2", "r", "t", "search", "c1", NOW_S, NOW_S + 6, 6.0, 5.0, "healthy")
    book = AlertBook()
    events = causes.on_findings(book, np.array([2], np.int32), [found])
    assert _brief(events) == [("stuck_tool", "firing", "critical", 1)]
    row = events.rows()[0]
    assert row["agent_id"] == "agent-2"
    assert row["labels"] == [{"name": "agent_id", "value": "agent-2"}]
    assert {"name": "claimed_health", "value": "healthy"} in row["evidence"]
    assert len(causes.on_findings(book, np.array([2], np.int32), [found])) == 0


def test_a_replay_from_a_snapshot_gives_the_same_events() -> None:
    first = AlertBook()
    _trust(first, NOW_S, (90, 0), (0, 45))
    second = AlertBook(SlotArrays(FIELDS))
    second.arrays.put([0, 1], first.arrays.take([0, 1]))
    later = [_trust(book, NOW_S + 9, (90, 0), (0, 120)).rows() for book in (first, second)]
    assert later[0] == later[1] != []
