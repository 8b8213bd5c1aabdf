"""Filters, groups and pictures of agents, by the server's routes over a memory that the test fills."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from api_world import Api, ago_us, api, status, trust

from infra.runtime.clock import ManualClock
from sinks.api.labels.file import parse_agents_file
from sinks.api.labels.watch import LabelsWatch
from sinks.api.live.topology import LARGEST_OF_MANY, MOST_AGENTS, MOST_GROUPS, MOST_PARTS

LABELS = """
version: 1
agents:
  - {match: "a*", labels: {department: finance, tier: gold}}
  - {match: a3, labels: {tier: iron}, position: [1, 2, 3]}
  - {host: "h-0", labels: {rack: left}}
"""


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[Api]:
    """Eight agents a0 to a7 of acme on two hosts and in two deployments, the odd ones late, and b of globex."""
    async with api(tmp_path) as found:
        found.tell(
            "fleet.status",
            *(
                status(
                    f"a{n}",
                    word="late" if n % 2 else "online",
                    host=f"h-{n % 2}",
                    deployment_id="eu" if n < 6 else "us",
                )
                for n in range(8)
            ),
            status("b", "globex", host="h-0", deployment_id="theirs"),
        )
        found.tell("fleet.trust", *(trust(f"a{n}", score=n / 10) for n in range(7)), trust("b", "globex", 0.01))
        yield found


async def names(world: Api, **filters: str | float) -> list[str]:
    answer = await world.client.get("/api/agents", params=filters, headers=world.by())
    assert answer.status_code == 200, answer.text
    return [item["agent_id"] for item in answer.json()["items"]]


FILTERS: tuple[tuple[dict[str, str | float], str], ...] = (
    ({"host": "h-1"}, "a1 a3 a5 a7"),
    ({"deployment": "us", "status": "late"}, "a7"),
    ({"trust_below": 0.25}, "a0 a1 a2"),
    ({"trust_below": 2}, "a0 a1 a2 a3 a4 a5 a6"),
    ({"tenant": "globex"}, ""),
    ({"tenant": "acme", "q": "A7"}, "a7"),
    ({"platform": ""}, "a0 a1 a2 a3 a4 a5 a6 a7"),
    ({"host": "nobody's"}, ""),
    ({"sort": "-host", "limit": 3}, "a7 a5 a3"),
    ({"sort": "-trust", "limit": 2, "offset": 1}, "a6 a5"),
    ({"sort": "violations", "limit": 1}, "a7"),
    ({"offset": 100}, ""),
)


async def test_agents_are_filtered_and_sorted(world: Api) -> None:
    for filters, expected in FILTERS:
        assert await names(world, **filters) == expected.split(), filters


async def test_one_of_several_values_is_enough(world: Api) -> None:
    answer = await world.client.get("/api/agents?status=late&status=offline&limit=2", headers=world.by())
    assert answer.json()["total"] == 4


async def test_labels_come_from_the_file(world: Api) -> None:
    world.world.memory.label(parse_agents_file(LABELS).agents)
    found = await world.json("/api/agents", label="tier:iron")
    assert [item["labels"] for item in found["items"]] == [{"department": "finance", "tier": "iron"}]
    assert found["facets"] == ["deployment", "host", "status", "tenant", "department", "tier", "label:rack"]
    assert await names(world, department="finance", label="rack:left") == ["a0", "a2", "a4", "a6"]
    assert (await world.json("/api/agents/status/a3"))["labels"]["tier"] == "iron"


async def test_labels_follow_an_agent_to_another_host(world: Api) -> None:
    world.world.memory.label(parse_agents_file(LABELS).agents)
    assert "a1" not in await names(world, label="rack:left")
    world.tell("fleet.status", status("a1", host="h-0"))
    assert "a1" in await names(world, label="rack:left")


async def test_who_comes_later_is_labelled_too(world: Api) -> None:
    world.world.memory.label(parse_agents_file(LABELS).agents)
    assert "a9" not in await names(world, department="finance")
    world.tell("fleet.trust", trust("a9"))
    assert "a9" in await names(world, department="finance")


async def test_a_label_that_only_others_have_is_not_told(world: Api) -> None:
    world.world.memory.label(parse_agents_file("agents:\n  - {match: b, labels: {secret: plan}}").agents)
    assert "secret" not in (await world.get("/api/agents")).text
    assert "secret" not in (await world.get("/api/agents/groups")).text
    assert "secret" in (await world.get("/api/agents", "globex")).text


async def test_what_cannot_be_asked_for_is_refused(world: Api) -> None:
    for query in ("label=tier", "label=:x", "sort=nonsense", "sort=label:a b", "trust_below=nan", "offset=-1"):
        assert (await world.client.get(f"/api/agents?{query}", headers=world.by())).status_code == 422, query


async def test_groups_have_their_figures(world: Api) -> None:
    world.lake.add("violations", [{"agent_id": "a1", "user_id": "acme", "timestamp": ago_us(hours=1)}] * 3)
    await world.world.recent.look()
    found = await world.json("/api/agents/groups", by="host")
    assert (found["total"], found["agents"]) == (2, 8)
    left, right = sorted(found["items"], key=lambda item: str(item["value"]))
    assert (left["value"], left["agents"], left["by_status"]["online"]) == ("h-0", 4, 4)
    assert (left["trust_mean"], left["trust_p10"], left["trust_lowest"]) == (0.3, 0.0, 0.0)
    assert (right["trust_mean"], right["trust_lowest"], right["violations_24h"]) == (0.3, 0.1, 3)


async def test_groups_are_of_what_is_filtered(world: Api) -> None:
    found = await world.json("/api/agents/groups", by="deployment", status="late", trust_below=0.4)
    assert [(item["value"], item["agents"]) for item in found["items"]] == [("eu", 2)]
    assert (await world.json("/api/agents/groups", by="label:none"))["items"][0]["value"] is None


async def test_groups_are_told_anew_after_a_second(world: Api) -> None:
    first = await world.json("/api/agents/groups", by="status")
    world.tell("fleet.status", *(status(f"a{n}", word="offline") for n in range(8)))
    assert await world.json("/api/agents/groups", by="status") == first
    clock = world.world.clock
    assert isinstance(clock, ManualClock)
    clock.advance(1.5)
    assert [item["value"] for item in (await world.json("/api/agents/groups", by="status"))["items"]] == ["offline"]


async def test_a_small_fleet_is_a_picture_of_its_agents(world: Api) -> None:
    world.world.memory.label(parse_agents_file(LABELS).agents)
    found = await world.json("/api/topology")
    assert (found["tiles_are"], found["agents"]) == ("agents", 8)
    eu = found["groups"][0]
    assert (eu["value"], eu["tiles"]["names"]) == ("eu", ["a0", "a1", "a2", "a3", "a4", "a5"])
    assert eu["tiles"]["trust"] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert [found["statuses"][each] for each in eu["tiles"]["status"]] == ["online", "late"] * 3
    assert eu["tiles"]["places"][3] == [1.0, 2.0, 3.0]
    assert eu["tiles"]["places"][0] is None
    assert found["groups"][1]["tiles"]["trust"] == [0.6, None]


async def test_a_large_fleet_is_a_picture_of_its_parts(world: Api) -> None:
    many = [status(f"m{n}", host=f"big-{n % 1_500}", deployment_id=f"d-{n % 2}") for n in range(MOST_AGENTS)]
    world.tell("fleet.status", *many, status("m-off", word="offline", host="big-0", deployment_id="d-0"))
    found = await world.json("/api/topology", limit=1)
    assert found["tiles_are"] == "parts"
    assert sum(len(group["tiles"]["names"]) for group in found["groups"]) <= MOST_PARTS
    tiles = next(group["tiles"] for group in found["groups"] if group["value"] == "d-0")
    at = tiles["names"].index("big-0")
    assert found["statuses"][tiles["status"][at]] == "offline"
    assert sum(tiles["agents"]) > 1_000


async def test_of_too_many_groups_the_largest_and_the_least_trusted_are_shown(world: Api) -> None:
    many = [status(f"g{n}-{k}", deployment_id=f"g{n:03}") for n in range(100) for k in range(2 if n < 50 else 1)]
    world.tell("fleet.status", *many)
    world.tell("fleet.trust", *(trust(f"g{n}-0", score=(100 - n) / 100) for n in range(99)))
    found = await world.json("/api/topology")
    names = [group["value"] for group in found["groups"]]
    assert (found["groups_total"], len(names), found["groups_largest"]) == (102, MOST_GROUPS, LARGEST_OF_MANY)
    assert names[:3] == ["eu", "us", "g000"]
    # Of the others the worst comes first; who has no score is not among the least trusted.
    assert names[LARGEST_OF_MANY:][:3] == ["g098", "g097", "g096"]
    assert found["agents_left_out"] == found["agents"] - sum(group["agents"] for group in found["groups"]) > 0


async def test_the_file_of_labels_is_read_again_when_it_changes(tmp_path: Path, world: Api) -> None:
    path = tmp_path / "agents.yaml"
    watch = LabelsWatch(path, world.world.memory)
    await watch.look()
    assert watch.read == 0
    path.write_text(LABELS)
    await watch.look()
    assert await names(world, label="tier:iron") == ["a3"]
    path.write_text("agents:\n  - {match: [1]}\n")
    os.utime(path, ns=(1, 1))
    await watch.look()
    assert "line 2" in watch.trouble
    assert await names(world, label="tier:iron") == ["a3"]
    path.unlink()
    await watch.look()
    assert (watch.trouble, await names(world, label="tier:iron")) == ("", [])


async def test_a_file_of_labels_written_over_with_its_size_and_time_kept_is_read_again(
    tmp_path: Path, world: Api
) -> None:
    path = tmp_path / "agents.yaml"
    watch = LabelsWatch(path, world.world.memory)
    path.write_text(LABELS)
    os.utime(path, ns=(1, 1))
    was = path.stat()
    await watch.look()

    def put(text: str) -> bool:
        path.write_text(text)
        os.utime(path, ns=(1, 1))
        return path.stat().st_ctime_ns == was.st_ctime_ns

    while put(LABELS.replace("iron", "gold")):  # clocks of file systems are coarse
        pass
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (was.st_size, was.st_mtime_ns)
    await watch.look()
    assert "a3" in await names(world, label="tier:gold")


async def test_a_log_that_is_another_keeps_the_labels_of_the_file(world: Api) -> None:
    memory = world.world.memory
    memory.label(parse_agents_file(LABELS).agents)
    memory.clear()
    await asyncio.sleep(0)
    world.tell("fleet.status", status("a0"))
    assert await names(world, department="finance") == ["a0"]
