"""The events of self-audit: numbered without a hole, bounded, counters as rates; and names of processes."""

from __future__ import annotations

import math

from infra.health import Health, HealthStatus
from infra.health.events import MOST_METRICS, Event, EventMaker
from infra.health.instance import claim_instance
from schemas.catalogue import TOPICS
from schemas.record import decode_record
from schemas.registry import SchemaBook

NOW_S = 1_700_000_000.0


def maker() -> EventMaker:
    return EventMaker("fleetpulse:lake-writer:h-1", "h", "0.1.0", 5.0, NOW_S)


def read(event: Event) -> dict[str, object]:
    return decode_record(SchemaBook(TOPICS[event.topic].schema), event.value)


def custom(event: Event) -> dict[str, float]:
    found: list[dict[str, float]] = read(event)["custom"]  # type: ignore[assignment]  # an array of records
    return {str(one["name"]): one["value"] for one in found}


def test_a_session_is_numbered_over_both_topics_and_ends_with_stopping() -> None:
    events = maker()
    made = [events.metrics({}, NOW_S), events.beat(Health(), 7, NOW_S + 1)]
    made.append(events.beat(Health(HealthStatus.DEGRADED, "x"), 8, NOW_S + 2))
    made.append(events.beat(Health(), 9, NOW_S + 3, stopping=True))
    rows = [read(event) for event in made]
    assert [row["seq"] for row in rows] == [0, 1, 2, 3]
    assert [row.get("status") for row in rows] == [None, "healthy", "degraded", "stopping"]
    assert [row.get("progress") for row in rows[1:]] == [7, 8, 9]
    assert {(row["agent_id"], row["user_id"], row["deployment_id"]) for row in rows} == {
        ("fleetpulse:lake-writer:h-1", "fleetpulse", "fleetpulse")
    }
    assert len({row["session_id"] for row in rows}) == 1
    assert len({row["event_id"] for row in rows}) == 4
    assert rows[1]["interval_s"] == 5.0
    assert read(maker().beat(Health(), 0, NOW_S))["session_id"] != rows[0]["session_id"]


def test_metrics_say_since_when_the_process_runs() -> None:
    assert read(maker().metrics({}, NOW_S + 12.5))["uptime"] == 12.5


def test_counters_become_rates() -> None:
    events = maker()
    assert custom(events.metrics({"rows_total": 100, "lag": 3}, NOW_S)) == {"lag": 3.0}
    assert custom(events.metrics({"rows_total": 150, "lag": 0}, NOW_S + 10)) == {"lag": 0.0, "rows_per_s": 5.0}
    assert custom(events.metrics({"rows_total": 4}, NOW_S + 20)) == {}
    assert custom(events.metrics({"rows_total": 4}, NOW_S + 30)) == {"rows_per_s": 0.0}


def test_metrics_are_bounded_and_finite() -> None:
    many = {f"m{n}": float(n) for n in range(1_000)}
    found = custom(maker().metrics({"bad": math.nan, "worse": math.inf, "n" * 500: 1.0} | many, NOW_S))
    assert len(found) == MOST_METRICS - 2
    assert max(map(len, found)) == 100


def test_processes_of_a_kind_have_the_lowest_free_number_and_get_it_again() -> None:
    broker = f"test-{id(object())}:1"
    first, second = claim_instance("p", broker), claim_instance("p", broker)
    other = claim_instance("q", broker)
    assert first.name.endswith("-1")
    assert second.name.endswith("-2")
    assert other.name.endswith("-1")
    first.close()
    again = claim_instance("p", broker)
    assert again.name == first.name
    for claimed in (second, other, again):
        claimed.close()
