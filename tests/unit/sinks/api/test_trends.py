"""Trends: values by bucket and group, the others together, whose rows they are, what cannot be asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from api_world import Api, ago_us, api, status

from sinks.api.trends.measures import MEASURES
from sinks.api.trends.models import Measures, Trends


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Api]:
    async with api(tmp_path) as found:
        yield found


def report(agent: str, hours_ago: float, cpu: float, user: str = "acme", **more: object) -> dict[str, Any]:
    found = {
        "agent_id": agent,
        "user_id": user,
        "deployment_id": f"{agent[0]}-land",
        "timestamp": ago_us(hours=hours_ago),
    }
    return {**found, "cpu_usage": cpu, **more}


async def test_buckets_groups_and_the_others_together(world: Api) -> None:
    rows = [
        report(f"{letter}1", hours, cpu)
        for letter, cpu in (("a", 90.0), ("b", 50.0), ("c", 20.0))
        for hours in (1.2, 2.2)
    ]
    world.lake.add("metrics", [*rows, report("c2", 1.2, 40.0), report("x", 1.2, 1.0, "other")])
    found = await world.json("/api/trends", metric="cpu_usage", by="deployment", range="4h", points=4, top=1)
    told = Trends.model_validate(found)
    assert (told.bucket_s, told.groups, told.stat, told.unit, len(told.at)) == (3600, 3, "mean", "percent", 2)
    assert [(line.group, line.total, line.values) for line in told.lines] == [("a-land", 90.0, [90.0, 90.0])]
    assert told.others is not None
    # The mean of the rows, not of the groups' means.
    assert (told.others.total, told.others.values, told.others.max) == (
        36.0,
        [35.0, pytest.approx(110 / 3)],
        [50.0, 50.0],
    )
    whole = await world.json("/api/trends", metric="cpu_usage", range="4h", stat="max")
    assert [(line["group"], line["total"], line["rows"]) for line in whole["lines"]] == [(None, 90.0, 7)]
    assert (await world.json("/api/trends", tenant="third", metric="cpu_usage"))["lines"] == []


async def test_counts_are_grouped_by_what_rows_say_and_compared_with_before(world: Api) -> None:
    common = {"agent_id": "a", "user_id": "acme"}
    kinds = [("hipaa", 1), ("hipaa", 2), ("tone", 3), ("hipaa", 30)]
    world.lake.add(
        "violations", [{**common, "policy_name": name, "timestamp": ago_us(hours=hours)} for name, hours in kinds]
    )
    found = await world.json("/api/trends", metric="violations", by="policy", range="24h", compare="true")
    totals = [(line["group"], line["total"], line["previous"]) for line in found["lines"]]
    assert totals == [("hipaa", 2.0, 1.0), ("tone", 1.0, None)]


async def test_an_alert_counts_once_when_it_began(world: Api) -> None:
    firing = {"state": "firing", "fingerprint": "f", "epoch": 1, "name": "hot", "agent_id": "a", "user_id": "acme"}
    told = [{**firing, "starts_at": ago_us(hours=3), "timestamp": ago_us(hours=hours)} for hours in (3, 2, 1)]
    world.lake.add("alerts", [*told, {**told[0], "state": "resolved"}])
    found = await world.json("/api/trends", metric="alerts", by="rule", range="6h")
    assert [(line["group"], line["total"], len(found["at"])) for line in found["lines"]] == [("hot", 1.0, 1)]


async def test_agents_are_grouped_by_what_memory_knows(world: Api) -> None:
    world.tell("fleet.status", status("a1", host="h1"), status("b1", host="h2"), status("b1", "other", host="h9"))
    world.lake.add("metrics", [report("a1", 1, 10.0), report("b1", 1, 30.0), report("c1", 1, 50.0)])
    found = await world.json("/api/trends", metric="cpu_usage", by="host", lowest="true")
    assert [(line["group"], line["total"]) for line in found["lines"]] == [("h1", 10.0), ("h2", 30.0), (None, 50.0)]
    measures = Measures.model_validate(await world.json("/api/trends/measures")).measures
    assert {each.name for each in measures} == set(MEASURES)
    assert {"host", "agent", "deployment"} <= set(next(each for each in measures if each.name == "cpu_usage").by)


async def test_every_measure_can_be_asked_in_every_way(world: Api) -> None:
    for table in {measure.table for measure in MEASURES.values()}:
        world.lake.add(table, [{"agent_id": "a", "user_id": "acme", "timestamp": ago_us(hours=1)}])
    for measure in MEASURES.values():
        for by in measure.by:
            for stat in measure.stats if by == "tenant" else measure.stats[:1]:
                await world.json("/api/trends", metric=measure.name, by=by, stat=stat)
    value = [{"name": "it's", "value": 3.0}]
    world.lake.add("metrics", [report("a", 1, 1.0, custom=value)])
    found = await world.json("/api/trends", metric="custom:it's")
    assert [line["total"] for line in found["lines"]] == [3.0]


@pytest.mark.parametrize(
    "asked",
    [
        {"metric": "nonsense"}, {"metric": "custom:"}, {"metric": "cpu_usage\0"}, {"metric": "trust", "by": "policy"},
        {"metric": "violations", "stat": "mean"}, {"metric": "host_cpu_usage", "by": "agent"}, {},
        {"metric": "cpu_usage", "by": "label:"}, {"metric": "trust", "top": 21}, {"metric": "trust", "range": "500d"},
    ],
)  # fmt: skip
async def test_what_cannot_be_asked_is_said(world: Api, asked: dict[str, str | int]) -> None:
    assert (await world.get("/api/trends", **asked)).status_code == 422
