"""Roll-ups of metrics: the same answer as raw rows give, whatever is rolled up; late events; hours that are gone."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from api_world import NOW, Api, ago_us, api

from infra.runtime.clock import ManualClock
from sinks.api.times import Span
from sinks.api.trends.rollups import Rollups
from sinks.lake.naming import parse_name

ASKED: list[dict[str, str | int]] = [
    {"metric": "cpu_usage", "by": "agent"}, {"metric": "cpu_usage", "stat": "max", "by": "deployment"},
    {"metric": "request_count", "by": "tenant"}, {"metric": "reports"}, {"metric": "cpu_usage", "stat": "min"},
    {"metric": "cpu_usage", "agent": "a1"},
]  # fmt: skip


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Api]:
    async with api(tmp_path) as found:
        yield found


def fill(world: Api, hours: int = 44) -> None:
    world.lake.add("metrics", [report(agent, ago) for agent in ("a1", "a2", "b1") for ago in range(hours)])
    world.lake.add("metrics", [report("a1", 5, "other")])


def report(agent: str, hours: float, user: str = "acme", **more: object) -> dict[str, Any]:
    cpu = None if hours % 7 == 3 else 40.0 + hours % 11
    found = {"agent_id": agent, "user_id": user, "deployment_id": agent[0], "timestamp": ago_us(hours=hours)}
    return {**found, "cpu_usage": cpu, "request_count": 3.0, "error_rate": float("nan"), **more}


async def answers(world: Api, points: int, **more: str) -> list[dict[str, Any]]:
    found = [await world.json("/api/trends", range="2d", points=points, **asked, **more) for asked in ASKED]
    return [{name: value for name, value in each.items() if name not in {"took_ms", "source"}} for each in found]


@pytest.mark.parametrize(("points", "source"), [(80, "hourly"), (3, "daily")])
async def test_what_is_rolled_up_is_answered_as_raw_rows_are(world: Api, points: int, source: str) -> None:
    fill(world)
    raw = await answers(world, points, compare="true")
    made = await world.world.rollups.catch_up(rest=0)
    assert made > 40
    assert await answers(world, points, compare="true") == raw
    told = await world.json("/api/trends", metric="cpu_usage", range="2d", points=points)
    assert (told["source"], (await world.json("/api/trends", metric="cpu_usage", stat="p95"))["source"]) == (
        source,
        "raw",
    )
    assert await world.world.rollups.catch_up(rest=0) == 0
    nothing = await world.json("/api/trends", metric="error_rate", range="2d", points=points)
    assert nothing["lines"] == []  # NaN is no value
    assert (await world.json("/api/trends", tenant="other", metric="reports", range="2d"))["lines"][0]["total"] == 1


async def test_a_late_event_counts_at_once_and_is_rolled_up_anew(world: Api) -> None:
    fill(world, 10)
    await world.world.rollups.catch_up(rest=0)
    world.lake.add("metrics", [report("a1", 8, cpu_usage=99.0)])
    found = [(await world.json("/api/trends", metric="cpu_usage", stat="max", points=24))["lines"][0]["total"]]
    made = await world.world.rollups.catch_up(rest=0)
    found += [(await world.json("/api/trends", metric="cpu_usage", stat="max", points=24))["lines"][0]["total"]]
    assert (found, made) == ([99.0, 99.0], 1)
    folders = [path.parent for path in (world.world.lake / "rollups" / "hourly").rglob("*.parquet")]
    assert len(folders) == len(set(folders)), "what a roll-up stands in place of is gone"


@pytest.mark.parametrize("points", [40, 2])
async def test_a_range_that_ends_within_an_hour_ends_there(world: Api, points: int) -> None:
    reports = [report("a1", hours) for hours in (20, 19.75, 19, 43)]
    world.lake.add("metrics", reports)
    asked: dict[str, str | int] = {"metric": "reports", "points": points, "from": "2026-11-19T20:00:00Z"}
    asked["to"] = (NOW - timedelta(hours=19.8)).strftime("%Y-%m-%dT%H:%M:%SZ")
    raw = await world.json("/api/trends", **asked)
    await world.world.rollups.catch_up(rest=0)
    told = await world.json("/api/trends", **asked)
    assert told["lines"] == raw["lines"]
    assert (told["lines"][0]["total"], told["source"] != "raw") == (2.0, True)


async def test_hours_whose_raw_rows_are_gone_are_told_from_what_was_rolled_up(world: Api) -> None:
    fill(world)
    await world.world.rollups.catch_up(rest=0)
    before = await world.json("/api/trends", metric="reports", range="2d", points=3)
    shutil.rmtree(world.world.lake / "metrics" / f"date={(NOW - timedelta(days=1)).date()}")
    after = await world.json("/api/trends", metric="reports", range="2d", points=3)
    assert (after["lines"], after["source"]) == (before["lines"], "daily")


async def total(world: Api, points: int = 24, **more: str) -> float:
    told = await world.json("/api/trends", metric="reports", points=points, **more)
    found: float = told["lines"][0]["total"]
    return found


@pytest.mark.parametrize("points", [24, 1])
async def test_a_late_event_is_counted_beside_what_was_rolled_up_and_with_it(world: Api, points: int) -> None:
    """Its hour is gone but for the roll-up. Told of the late event alone, it would have shrunk."""
    for path in world.lake.add("metrics", [report("a1", 8), report("a2", 8.01), report("a1", 8.02)]):
        await world.world.rollups.catch_up(rest=0)
        path.unlink()
    for late in (1, 2):
        [path] = world.lake.add("metrics", [report("a1", 8, cpu_usage=99.0)])
        assert await total(world, points) == 3 + late
        assert await world.world.rollups.catch_up(rest=0) >= 1
        assert await total(world, points) == 3 + late
        assert await world.world.rollups.catch_up(rest=0) == 0
        path.unlink()
        assert await total(world, points) == 3 + late
        assert await world.world.rollups.catch_up(rest=0) == 0
    told = await world.json("/api/trends", metric="cpu_usage", stat="max", points=points, by="agent")
    assert {line["group"]: line["total"] for line in told["lines"]} == {"a1": 99.0, "a2": 48.01}


async def test_an_hour_of_which_some_files_are_gone_keeps_its_roll_up(world: Api) -> None:
    """Retention removes the files of an hour one after another, and with --keep sooner than the table's default."""
    paths = [path for n in range(4) for path in world.lake.add("metrics", [report(f"a{n}", 8)])]
    await world.world.rollups.catch_up(rest=0)
    for path in paths:
        path.unlink()
        assert await total(world) == 4
        await world.world.rollups.catch_up(rest=0)
        assert await total(world) == 4
    cut = {"from": "2026-11-20T20:00:00Z", "to": (NOW - timedelta(hours=7.9)).strftime("%Y-%m-%dT%H:%M:%SZ")}
    world.lake.add("metrics", [report("a9", 7.95), report("a9", 7.6)])
    assert await total(world, **cut) == 5  # the roll-up cannot be cut, what is raw is


def compact(paths: list[Path]) -> None:
    """Files of one hour become one."""
    first, last = parse_name(paths[0].name), parse_name(paths[-1].name)
    assert first is not None
    assert last is not None
    name = replace(first, last=last.last, compacted=True).name
    pq.write_table(pa.concat_tables([pq.read_table(path) for path in paths]), paths[0].with_name(name))
    for path in paths:
        path.unlink()


async def test_of_a_file_that_is_told_in_part_the_rest_is_told(world: Api) -> None:
    """Late files are compacted with what was rolled up before, while others of the hour are gone."""
    first, second = (world.lake.add("metrics", [report(agent, 8)])[0] for agent in ("a1", "a2"))
    await world.world.rollups.catch_up(rest=0)
    third = world.lake.add("metrics", [report("a3", 8)])[0]
    compact([second, third])
    first.unlink()
    assert await total(world) == 3
    assert await world.world.rollups.catch_up(rest=0) >= 1
    assert await total(world) == 3


def unsaid(path: Path) -> None:
    """As roll-ups were before they held what they were made of."""
    pq.write_table(pq.read_table(path, partitioning=None).replace_schema_metadata(None), path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def hourly(world: Api) -> list[Path]:
    return list((world.world.lake / "rollups" / "hourly").rglob("*.parquet"))


@pytest.mark.parametrize("hours", [8, 100 * 24])
async def test_an_old_roll_up_whose_raw_files_went_gives_way_to_nothing_that_tells_less(world: Api, hours: int) -> None:
    [path] = world.lake.add("metrics", [report("a1", hours)] * 20)
    await world.world.rollups.catch_up(rest=0)
    unsaid(hourly(world)[0])
    path.unlink()
    world.lake.add("metrics", [report("a1", hours)])
    for _ in range(2):
        assert await total(world, 200, range="120d") == 20
        await world.world.rollups.catch_up(rest=0)
    world.lake.add("metrics", [report("a2", hours)] * 30)
    assert await total(world, 200, range="120d") == 20  # more, but without what is gone


async def test_an_old_roll_up_of_what_is_all_there_gives_way_to_it(world: Api) -> None:
    paths = [world.lake.add("metrics", [report("a1", 8)])[0] for _ in range(2)]
    await world.world.rollups.catch_up(rest=0)
    unsaid(hourly(world)[0])
    late = world.lake.add("metrics", [report("a1", 8)])[0]
    assert await total(world) == 3
    compact([*paths, late])
    for _ in range(2):
        assert await total(world) == 3
        await world.world.rollups.catch_up(rest=0)


async def test_an_old_roll_up_is_told_what_it_was_made_of_while_its_name_says_it(world: Api) -> None:
    paths = [world.lake.add("metrics", [report("a1", 8)])[0] for _ in range(20)]
    await world.world.rollups.catch_up(rest=0)
    unsaid(hourly(world)[0])
    assert await world.world.rollups.catch_up(rest=0) == 1
    assert await world.world.rollups.catch_up(rest=0) == 0
    paths[0].unlink()
    world.lake.add("metrics", [report("a1", 8)])
    for _ in range(2):
        assert await total(world) == 21
        await world.world.rollups.catch_up(rest=0)


async def test_days_without_raw_files_are_looked_at_anew_only_where_something_changed(
    world: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(world, 72)
    rollups = world.world.rollups
    await rollups.catch_up(rest=0)
    shutil.rmtree(world.world.lake / "metrics")
    assert await rollups.catch_up(rest=0) == 0
    looked: list[int] = []
    told = rollups._told
    monkeypatch.setattr(rollups, "_told", lambda hour, **more: looked.append(hour) or told(hour, **more))
    assert await rollups.catch_up(rest=0) == 0
    today = int(NOW.timestamp()) // 86_400
    assert {hour // 24 for hour in looked} <= {today}
    [late] = world.lake.add("metrics", [report("a1", 50)])
    assert await rollups.catch_up(rest=0) == 2
    late.unlink()
    late.parent.rmdir()
    late.parent.parent.rmdir()
    next(iter((world.world.lake / "rollups" / "daily" / late.parent.parent.name).iterdir())).unlink()
    assert await rollups.catch_up(rest=0) == 1


async def test_what_a_killed_process_left_half_written_goes(world: Api) -> None:
    folder = world.world.lake / "rollups" / "under-way"
    folder.mkdir(parents=True)
    old, new = folder / "old", folder / "new"
    for path in (old, new):
        path.write_bytes(b"PAR1")
    os.utime(old, (0, 0))
    await world.world.rollups.catch_up(rest=0)
    assert list(folder.iterdir()) == [new]  # another process may be writing it


def test_a_lake_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    parts = Rollups(tmp_path / "none", ManualClock(NOW.timestamp())).parts(
        Span(NOW - timedelta(days=9), NOW), daily=True
    )
    assert (parts.rolled, parts.raw, parts.source) == ([], [], "raw")
