"""What the routes answer, by a real server on loopback over files of a lake."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import duckdb
import pytest
import pytest_asyncio
from api_world import NOW_US, Api, ago_us, api, status, trust


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[Api]:
    async with api(tmp_path) as found:
        yield found


async def test_status_has_the_shape_of_the_sources(world: Api) -> None:
    world.tell("fleet.status", status("bot", deployment_id="eu", host="h-1"))
    world.tell("fleet.trust", trust("bot", score=0.85))
    found = await world.json("/api/agents/status/bot")
    assert (found["agent_id"], found["status"], found["deployment_id"]) == ("bot", "online", "eu")
    assert found["last_heartbeat"] == "2026-11-21T19:30:00.000Z"
    assert found["governance_metrics"]["trust_score"] == 0.85
    assert found["as_of"] == "2026-11-21T19:30:00.000Z"


async def test_a_list_is_filtered_sorted_and_paged(world: Api) -> None:
    world.tell("fleet.status", *(status(f"a{i}", word="late" if i % 2 else "online") for i in range(10)))
    world.tell("fleet.trust", *(trust(f"a{i}", score=i / 10) for i in range(10)))
    first = await world.json("/api/agents", status="late", sort="-trust", limit=3)
    rest = await world.json("/api/agents", status="late", sort="-trust", limit=3, cursor=first["next"])
    assert [item["agent_id"] for item in first["items"] + rest["items"]] == ["a9", "a7", "a5", "a3", "a1"]
    assert (first["total"], rest["next"]) == (5, None)


async def test_the_link_header_holds_any_name(world: Api) -> None:
    for name in ("☃", 'x>; rel="evil"', "ä"):
        world.tell("fleet.status", status(name))
        lines = [{"agent_id": name, "user_id": "acme", "level": "info", "message": str(number)} for number in range(2)]
        world.lake.add("logs", lines)
        answer = await world.get(f"/api/agents/{quote(name)}/logs", limit=1)
        assert answer.status_code == 200
        assert list(answer.links) == ["next"]
        following = await world.client.get(answer.links["next"]["url"], headers=world.by())
        assert [each["agent_id"] for each in following.json()["items"]] == [name]


async def test_the_next_page_stands_in_the_link_header(world: Api) -> None:
    world.tell("fleet.status", status("a"), status("b"))
    answer = await world.get("/api/agents", limit=1, q="")
    following = await world.client.get(answer.links["next"]["url"], headers=world.by())
    assert [item["agent_id"] for item in following.json()["items"]] == ["b"]


@pytest.mark.parametrize("escaped", ["team%2Fbot", "team/bot"])
async def test_a_name_may_hold_a_slash(world: Api, escaped: str) -> None:
    common = {"agent_id": "team/bot", "user_id": "acme"}
    world.tell("fleet.status", status("team/bot"))
    world.tell("fleet.trust", trust("team/bot", score=0.85))
    world.lake.add("logs", [common | {"level": "info", "message": "m"}])
    world.lake.add("runs", [common | {"run_id": "etl/7", "kind": "run_started", "name": "n"}])
    assert (await world.json(f"/api/agents/status/{escaped}"))["agent_id"] == "team/bot"
    for part in ("violations", "logs", "forecasts", "anomalies", "lifecycle", "timeline", "metric-names"):
        assert (await world.get(f"/api/agents/{escaped}/{part}")).status_code == 200, part
    for part in ("trust", "trust-history", "metrics", "ledger"):
        assert (await world.json(f"/api/agents/{escaped}/{part}"))["agent_id"] == "team/bot", part
    assert (await world.json(f"/v1/runs/{escaped.replace('team', 'etl').replace('bot', '7')}"))["run"][
        "run_id"
    ] == "etl/7"


async def test_metrics_come_in_buckets_with_customs_beside(world: Api) -> None:
    rows = [
        {"agent_id": "bot", "user_id": "acme", "timestamp": ago_us(minutes=i), "cpu_usage": float(i)} for i in range(60)
    ]
    world.lake.add("metrics", [row | {"custom": [{"name": "queue", "value": 7.0}]} for row in rows])
    found = await world.json("/api/agents/bot/metrics", range="1h", metrics="cpu_usage,queue", points=6)
    assert found["bucket_s"] == 600
    assert sum(found["reports"]) == 60
    assert found["series"]["cpu_usage"]["max"][0] == 59.0
    assert set(found["series"]["queue"]["mean"]) == {7.0}


async def test_a_value_that_json_does_not_know_is_null(world: Api) -> None:
    world.lake.add("metrics", [{"agent_id": "bot", "user_id": "acme", "cpu_usage": float("nan")}])
    found = await world.json("/api/agents/bot/metrics", metrics="cpu_usage")
    assert found["series"]["cpu_usage"]["mean"] == [None]


async def test_violations_are_newest_first_over_pages(world: Api) -> None:
    rows = [
        {"agent_id": "bot", "user_id": "acme", "severity": "critical" if i % 2 else "low", "timestamp": ago_us(hours=i)}
        for i in range(40)
    ]
    world.lake.add("violations", rows)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        more = {} if cursor is None else {"cursor": cursor}
        page = await world.json("/api/agents/bot/violations", severity="critical", limit=3, **more)
        seen += [item["timestamp"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == 20
    assert seen == sorted(seen, reverse=True)


async def test_rows_of_one_moment_are_told_once_over_pages(world: Api) -> None:
    world.lake.add("logs", [{"agent_id": "bot", "user_id": "acme", "message": str(i)} for i in range(7)])
    first = await world.json("/api/agents/bot/logs", limit=4)
    second = await world.json("/api/agents/bot/logs", limit=4, cursor=first["next"])
    assert {item["message"] for item in first["items"] + second["items"]} == set("0123456")
    assert len(second["items"]) == 3


async def test_a_run_has_its_steps_and_failures(world: Api) -> None:
    common = {"agent_id": "bot", "user_id": "acme", "run_id": "r-1"}
    world.lake.add(
        "runs",
        [
            common | {"kind": "run_started", "name": "turn", "started_at": NOW_US - 9, "timestamp": NOW_US - 9},
            common | {"kind": "step", "step_id": "1", "name": "search", "step_index": 0, "status": "success"},
            common | {"kind": "failure", "failure_type": "tool", "failure_code": "timeout", "step_id": "1"},
            common | {"kind": "run_finished", "status": "failure", "ended_at": NOW_US, "latency_ms": 4.0},
        ],
    )
    listed = await world.json("/v1/runs", status="failure")
    assert [(run["run_id"], run["steps"], run["failures"]) for run in listed["items"]] == [("r-1", 1, 1)]
    found = await world.json("/v1/runs/r-1")
    assert found["steps"][0]["name"] == "search"
    assert found["failures"][0]["failure_code"] == "timeout"
    assert (await world.json("/v1/runs", status="running"))["items"] == []


async def test_a_run_that_does_not_say_how_long_it_took_took_from_its_start_to_its_end(world: Api) -> None:
    common = {"agent_id": "bot", "user_id": "acme"}
    whole, end_only = common | {"run_id": "r-1"}, common | {"run_id": "r-2"}
    finished = {"kind": "run_finished", "status": "success", "timestamp": NOW_US}
    started = {"kind": "run_started", "timestamp": NOW_US - 2_000_000}
    step = {"kind": "step", "step_id": "1", "timestamp": NOW_US - 1_000_000}
    world.lake.add("runs", [whole | started, whole | finished, end_only | step, end_only | finished])
    listed = (await world.json("/v1/runs"))["items"]
    assert {run["run_id"]: run["latency_ms"] for run in listed} == {"r-1": 2000.0, "r-2": None}


async def test_trust_says_what_moved_it(world: Api) -> None:
    world.tell("fleet.trust", trust("bot", score=0.6, violating=10.0))
    violation = {"agent_id": "bot", "user_id": "acme", "severity": "high", "policy_id": "pii", "action": "blocked"}
    world.lake.add("violations", [violation])
    found = await world.json("/api/agents/bot/trust")
    assert found["trust"] == 0.6
    assert found["moved"][0]["kind"] == "violation"
    assert found["moved"][0]["delta"] < 0
    assert found["factors"]["compliance"]["evidence"]["bad"] == 10.0


async def test_ledger_counts_what_is_missing(world: Api) -> None:
    rows = [{"agent_id": "bot", "user_id": "acme", "session_id": "x", "seq": seq} for seq in (0, 1, 4)]
    world.lake.add("metrics", rows)
    found = await world.json("/api/agents/bot/ledger")
    assert (found["total"]["published"], found["total"]["missing"]) == (5, 2)
    assert found["missing"] == {"x": [[2, 3]]}


async def test_fleet_counts_and_shows_the_lowest(world: Api) -> None:
    world.tell("fleet.status", status("a", deployment_id="eu"), status("b", word="late"))
    world.tell("fleet.trust", trust("a", score=0.2), trust("b", score=0.97))
    found = await world.json("/api/fleet")
    assert found["by_status"] == {"online": 1, "late": 1, "offline": 0, "degraded": 0, "unknown": 0}
    assert found["lowest_trust"][0] == {"agent_id": "a", "user_id": "acme", "trust": 0.2}
    assert sum(found["trust"]["bins"]) == 2


async def test_before_the_memory_is_whole_nothing_is_said_to_be_missing(world: Api) -> None:
    world.world.follower.as_of_us = 0
    answer = await world.get("/api/agents/status/bot")
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    assert (await world.client.get("/readyz")).status_code == 503


async def test_readiness_ends_when_the_memory_is_old(world: Api) -> None:
    assert (await world.client.get("/readyz")).status_code == 200
    world.world.clock.advance(11)  # type: ignore[attr-defined]  # a manual clock
    answer = await world.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["why"] == "what is told is old"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/openapi.json", "/metrics"])
async def test_probes_answer(world: Api, path: str) -> None:
    assert (await world.client.get(path)).status_code == 200


async def test_what_streams_do_not_tell_comes_from_the_newest_files(world: Api) -> None:
    world.tell("fleet.status", status("bot", at_us=ago_us(minutes=20)))
    common = {"agent_id": "bot", "user_id": "acme"}
    world.lake.add("heartbeats", [common | {"version": "1.2", "timestamp": ago_us(minutes=1)}])
    world.lake.add("metrics", [common | {"compliance_rate": 0.92, "timestamp": ago_us(minutes=2)}])
    world.lake.add("violations", [common | {"timestamp": ago_us(hours=2)}, common | {"timestamp": ago_us(hours=30)}])
    await world.world.recent.look()
    await world.world.recent.look()
    found = await world.json("/api/agents/status/bot")
    assert (found["last_heartbeat"], found["version"]) == ("2026-11-21T19:29:00.000Z", "1.2")
    assert found["last_metrics_update"] == "2026-11-21T19:28:00.000Z"
    assert found["governance_metrics"]["recent_violations"] == 1
    assert found["governance_metrics"]["compliance_rate"] == 0.92
    assert world.world.recent.files == 3


async def test_a_file_that_cannot_be_read_takes_nothing_from_the_others(world: Api) -> None:
    world.tell("fleet.status", status("bot", at_us=ago_us(minutes=20)))
    common = {"agent_id": "bot", "user_id": "acme", "timestamp": ago_us(minutes=1)}
    world.lake.add("heartbeats", [common | {"version": "1.2"}])
    [broken] = world.lake.add("metrics", [common])
    whole = broken.read_bytes()
    broken.write_bytes(b"no Parquet")
    with pytest.raises(duckdb.Error):
        await world.world.recent.look()
    broken.write_bytes(whole)
    await world.world.recent.look()
    assert (await world.json("/api/agents/status/bot"))["version"] == "1.2"


async def test_an_agent_that_is_not_in_memory_yet_has_its_history(world: Api) -> None:
    world.lake.add("logs", [{"agent_id": "new", "user_id": "acme", "message": "hello"}])
    assert (await world.json("/api/agents/new/logs"))["items"][0]["message"] == "hello"
