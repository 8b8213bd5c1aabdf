"""What explains an agent: its statuses without holes, flagged values, usual bands, what it measures, its scores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from api_world import NOW, Api, ago_us, api, status, trust
from hypothesis import given
from hypothesis import strategies as st

from sinks.api.past.bands import BEFORE, LEAST_VALUES, usual_band
from sinks.api.past.timeline import Change, seconds_of, spans_of, with_now
from sinks.api.times import LONGEST, Span, iso

BOT = {"agent_id": "bot", "user_id": "acme"}
DAY = Span(datetime(2026, 11, 21, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC))


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[Api]:
    async with api(tmp_path) as found:
        yield found


def _change(hour: float, word: str, previous: str = "online", reason: str = "beat") -> Change:
    return Change(DAY.start + timedelta(hours=hour), word, previous, reason)


def test_spans_begin_with_what_was_before_the_first_change() -> None:
    spans = spans_of([_change(6, "late"), _change(8, "online", "late")], DAY)
    assert [(each.status, each.reason) for each in spans] == [("online", None), ("late", "beat"), ("online", "beat")]
    assert seconds_of(spans) == {"online": 22 * 3600.0, "late": 2 * 3600.0}


def test_a_change_before_the_range_gives_its_whole_status() -> None:
    assert [(each.status, each.reason) for each in spans_of([_change(-5, "offline")], DAY)] == [("offline", None)]


def test_a_change_after_the_range_says_what_was_within() -> None:
    assert [each.status for each in spans_of([_change(30, "offline", "degraded")], DAY)] == ["degraded"]


def test_without_a_change_nothing_is_known() -> None:
    assert [each.status for each in spans_of([], DAY)] == ["unknown"]


def test_memory_adds_what_the_lake_does_not_have_yet() -> None:
    old, new = _change(1, "late"), _change(2, "offline", "late")
    assert with_now([old], new) == [old, new]
    assert with_now([old, new], new) == [old, new]


@given(st.lists(st.tuples(st.floats(-5, 30), st.sampled_from(["online", "late", "offline"])), max_size=20))
def test_spans_fill_the_range_without_a_hole(told: list[tuple[float, str]]) -> None:
    spans = spans_of([_change(hour, word) for hour, word in sorted(told)], DAY)
    assert (spans[0].start, spans[-1].end) == (DAY.start, DAY.end)
    assert all(a.end == b.start for a, b in pairwise(spans))
    assert all(each.end > each.start for each in spans)


def test_a_band_knows_nothing_of_its_own_bucket_nor_of_what_follows() -> None:
    values = [float(i % 3) for i in range(60)]
    spoilt = [*values[:40], 1e6, *values[41:]]
    ones, zeros = [1] * 60, [0.0] * 60
    whole, other = usual_band(ones, values, zeros), usual_band(ones, spoilt, zeros)
    assert np.array_equal(whole.expected[:41], other.expected[:41], equal_nan=True)
    assert np.isnan(whole.expected[:LEAST_VALUES]).all()
    assert whole.expected[LEAST_VALUES] == pytest.approx(np.mean(values[:LEAST_VALUES]))


@given(st.lists(st.lists(st.floats(-1e6, 1e6), max_size=5), max_size=40))
def test_a_band_is_mean_and_deviation_of_all_values_before(buckets: list[list[float]]) -> None:
    means = [float(np.mean(b)) if b else None for b in buckets]
    spreads = [float(np.var(b)) if b else None for b in buckets]
    found = usual_band([len(b) for b in buckets], means, spreads)
    for i in range(len(buckets)):
        before = [value for bucket in buckets[max(0, i - BEFORE) : i] for value in bucket]
        if len(before) < LEAST_VALUES:
            assert np.isnan(found.expected[i])
        else:
            assert found.expected[i] == pytest.approx(np.mean(before), rel=1e-6, abs=1e-6)
            half = found.high[i] - found.expected[i]
            assert half == pytest.approx(
                3 * np.std(before), rel=1e-6, abs=max(1e-3, 2e-6 * abs(float(np.mean(before))))
            )


async def test_a_timeline_says_why_each_status_came(world: Api) -> None:
    late = status("bot", word="late", previous="online", reason="deadline_missed", at_us=ago_us(hours=3))
    back = status("bot", word="online", previous="late", reason="beat_late", at_us=ago_us(hours=2))
    world.lake.add("status", [late, back])
    world.tell(
        "fleet.status", status("bot", word="offline", previous="online", reason="stopped", at_us=ago_us(hours=1))
    )
    found = await world.json("/api/agents/bot/timeline", range="24h")
    assert [(span["status"], span["reason"]) for span in found["spans"]] == [
        ("online", None), ("late", "deadline_missed"), ("online", "beat_late"), ("offline", "stopped"),
    ]  # fmt: skip
    assert found["seconds"] == {"online": 22 * 3600.0, "late": 3600.0, "offline": 3600.0}
    assert (found["changes"], found["cut"]) == (3, False)
    assert found["spans"][-1]["to"] == "2026-11-21T19:30:00.000Z"


@pytest.mark.parametrize("asked", [{"range": "400d"}, {"from": iso(NOW - LONGEST)}], ids=["range", "from"])
async def test_the_longest_range_is_answered(world: Api, asked: dict[str, str]) -> None:
    world.tell("fleet.status", status("bot"))
    for path in ("/api/agents/bot/timeline", "/api/agents/bot/violations", "/api/changes"):
        assert (await world.get(path, **asked)).status_code == 200, path


async def test_a_range_that_is_over_knows_how_it_ended(world: Api) -> None:
    world.tell("fleet.status", status("bot", word="offline", previous="late", at_us=ago_us(minutes=1)))
    world.lake.add("status", [status("bot", word="degraded", previous="online", at_us=ago_us(hours=1))])
    found = await world.json("/api/agents/bot/timeline", **_between(5, 4))
    assert [span["status"] for span in found["spans"]] == ["online"]


def _between(first_h: int, last_h: int) -> dict[str, str]:
    first, last = (NOW - timedelta(hours=hours) for hours in (first_h, last_h))
    return {"from": first.isoformat(), "to": last.isoformat()}


async def test_flags_say_what_was_expected_and_why(world: Api) -> None:
    flag = {"value": 900.0, "expected": 120.0, "lower": 80.0, "upper": 160.0, "score": 6.5, "threshold": 4.0}
    world.lake.add("anomalies", [BOT | flag | {"metric": metric} for metric in ("response_time", "cpu_usage")])
    (item,) = (await world.json("/api/agents/bot/anomalies", metric="response_time"))["items"]
    assert {name: item[name] for name in flag} == flag


async def test_bands_stand_beside_the_means(world: Api) -> None:
    values = [10.0 + i % 2 for i in range(180)]
    world.lake.add("metrics", [_report(i, cpu_usage=value) for i, value in enumerate(values)])
    plain = await world.json("/api/agents/bot/metrics", range="1h", metrics="cpu_usage", points=60)
    found = await world.json("/api/agents/bot/metrics", range="1h", metrics="cpu_usage", points=60, bands="true")
    series = found["series"]["cpu_usage"]
    assert "expected" not in plain["series"]["cpu_usage"]
    assert found["at"][1:] == plain["at"][1:]
    assert series["mean"][1:] == plain["series"]["cpu_usage"]["mean"][1:]
    assert series["expected"] == pytest.approx([10.5] * len(found["at"]))
    assert series["high"][0] == pytest.approx(12.0)
    assert series["low"][0] == pytest.approx(9.0)


def _report(minutes: int, **values: Any) -> dict[str, Any]:  # noqa: ANN401  # fields of metrics
    return BOT | {"timestamp": ago_us(minutes=minutes)} | values


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e308, -1e308])
async def test_values_that_have_no_square_are_in_no_band(world: Api, value: float) -> None:
    world.lake.add("metrics", [_report(i, cpu_usage=value if i == 30 else 5.0) for i in range(80)])
    found = await world.json("/api/agents/bot/metrics", range="1h", metrics="cpu_usage", points=60, bands="true")
    assert set(found["series"]["cpu_usage"]["expected"][1:]) == {5.0}


async def test_of_nothing_there_is_no_band(world: Api) -> None:
    world.tell("fleet.status", status("bot"))
    found = await world.json("/api/agents/bot/metrics", metrics="cpu_usage", bands="true")
    assert found["series"]["cpu_usage"]["expected"] == []


async def test_names_of_metrics_come_with_units_flags_and_customs(world: Api) -> None:
    custom = [{"name": "queue", "value": 7.0}, {"name": "empty", "value": float("nan")}]
    world.lake.add("metrics", [_report(i, response_time=100.0 + i, custom=custom) for i in range(3)])
    world.lake.add("anomalies", [BOT | {"metric": "custom:queue"}])
    world.lake.add("forecasts", [BOT | {"metric": "response_time"}])
    found = (await world.json("/api/agents/bot/metric-names"))["metrics"]
    assert [(each["name"], each["family"], each["unit"]) for each in found] == [
        ("response_time", "performance", "ms"), ("custom:queue", "custom", None),
    ]  # fmt: skip
    assert [(each["reports"], each["latest"], each["flags"], each["forecasts"]) for each in found] == [
        (3, 100.0, 0, 1), (3, 7.0, 1, 0),
    ]  # fmt: skip
    assert all(each["first_at"] < each["latest_at"] for each in found)
    series = await world.json("/api/agents/bot/metrics", metrics="custom:queue")
    assert set(series["series"]["custom:queue"]["mean"]) == {7.0}


async def test_scores_over_time_have_bound_and_factors(world: Api) -> None:
    scores = [trust("bot", score=0.9 - i / 100, p=0.95, timestamp=ago_us(hours=9 - i)) for i in range(9)]
    world.lake.add("trust", [*scores, trust("bot", score=0.5, timestamp=ago_us(minutes=30), reliability=0.8)])
    found = (await world.json("/api/agents/bot/trust-history", range="10h", points=10))["points"]
    assert len(found) == 10
    assert (found[0]["trust"], found[0]["p"], found[0]["reliability"]) == (0.9, 0.95, None)
    assert (found[-1]["trust"], found[-1]["reliability"]) == (0.5, 0.8)


async def test_the_turns_of_a_run_are_told(world: Api) -> None:
    turn = BOT | {"thread_id": "t", "kind": "tool_executing", "tool": "search"}
    world.lake.add("lifecycle", [turn | {"run_id": run} for run in ("r-1", "r-2")])
    (item,) = (await world.json("/api/agents/bot/lifecycle", run="r-1"))["items"]
    assert (item["run_id"], item["tool"]) == ("r-1", "search")
