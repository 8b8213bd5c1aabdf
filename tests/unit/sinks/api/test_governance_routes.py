"""Violations of the fleet, policies and their coverage, counted by hand over a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from api_world import Api, ago_us, api, status

from sinks.api.governance.models import Policies
from sinks.api.past.models import ViolationPage


def violation(agent: str, policy: str, severity: str, minutes: float, **more: object) -> dict[str, Any]:
    found = {"agent_id": agent, "user_id": "acme", "policy_id": policy, "policy_name": policy.upper()}
    return {**found, "severity": severity, "action": "blocked", "timestamp": ago_us(minutes=minutes), **more}


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[Api]:
    async with api(tmp_path) as found:
        found.lake.add(
            "violations",
            [
                violation("a", "pii", "critical", 5, description="told a secret"),
                violation("a", "pii", "high", 90, action="redacted"),
                violation("b", "tone", "low", 200),
                violation("b", "tone", "low", 60 * 30),
                violation("z", "pii", "high", 5, user_id="globex"),
            ],
        )
        yield found


async def test_violations_of_all_agents_are_filtered_and_paged(world: Api) -> None:
    first = await world.json("/api/violations", limit=2)
    ViolationPage.model_validate(first)
    rest = await world.json("/api/violations", limit=2, cursor=first["next"])
    assert [(item["agent_id"], item["policy_id"]) for item in first["items"] + rest["items"]] == [
        ("a", "pii"), ("a", "pii"), ("b", "tone"),
    ]  # fmt: skip
    filters: list[tuple[dict[str, str | int], int]] = [
        ({"severity": "critical"}, 1), ({"policy": "tone"}, 1), ({"agent": "b", "range": "7d"}, 2),
        ({"action": "redacted"}, 1), ({"q": "SECRET"}, 1), ({"range": "1h"}, 1), ({"agent": "z"}, 0),
    ]  # fmt: skip
    for given, count in filters:
        assert len((await world.json("/api/violations", **given))["items"]) == count, given
    assert len((await world.json("/api/violations", None))["items"]) == 4


@pytest.mark.parametrize("given", [{"severity": "worst"}, {"cursor": "AAAA"}, {"range": "x"}, {"polcy": "pii"}])
async def test_what_cannot_be_asked_is_said(world: Api, given: dict[str, str | int]) -> None:
    assert (await world.get("/api/violations", **given)).status_code in {400, 422}


async def test_policies_are_counted_with_their_coverage(world: Api) -> None:
    world.tell("fleet.status", *(status(agent) for agent in "abc"), status("z", "globex"))
    common = {"user_id": "acme", "timestamp": ago_us(minutes=1)}
    world.lake.add(
        "heartbeats",
        [
            common | {"agent_id": "a", "governance_enabled": True, "policies_loaded": 3},
            common | {"agent_id": "b", "governance_enabled": False, "policies_loaded": 0},
        ],
    )
    checked = {"policy_checks": 10.0, "compliance_rate": 0.9}
    world.lake.add("metrics", [common | {"agent_id": "a"} | checked, common | {"agent_id": "b"}])
    await world.world.recent.look()
    found = await world.json("/api/policies")
    Policies.model_validate(found)
    assert (found["violations"], found["agents_violating"]) == (3, 2)
    assert [(each["policy_id"], each["violations"], each["agents"]) for each in found["policies"]] == [
        ("pii", 2, 1), ("tone", 1, 1),
    ]  # fmt: skip
    assert found["policies"][0]["by_severity"] == {"critical": 1, "high": 1}
    assert found["by_action"] == {"blocked": 2, "redacted": 1}
    bars = found["over_time"]
    assert {word: sum(counts) for word, counts in bars["by_severity"].items()} == {
        "critical": 1, "high": 1, "medium": 0, "low": 1,
    }  # fmt: skip
    assert len(bars["at"]) == len(bars["by_severity"]["low"])
    assert (found["checks"], found["compliance_rate"]) == (10.0, pytest.approx(0.9))
    covered = found["coverage"]
    assert (covered["agents"], covered["governance_on"], covered["governance_off"]) == (3, 1, 1)
    assert covered["governance_unknown"] == 1
    assert ([each["agent_id"] for each in covered["off"]], covered["checking"]) == (["b"], 1)
    assert [each["agent_id"] for each in covered["unchecked"]] == ["b", "c"]
    assert covered["policies_loaded"] == {"0": 1, "3": 1}


async def test_our_own_processes_are_not_agents_that_do_not_check(world: Api) -> None:
    world.tell("fleet.status", status("a"), status("fleetpulse:lake:h-1", "fleetpulse"), status("host:h", "fleetpulse"))
    covered = (await world.json("/api/policies", None))["coverage"]
    assert (covered["agents"], covered["governance_unknown"], covered["never_checked"]) == (1, 1, 1)
    assert [each["agent_id"] for each in covered["unchecked"]] == ["a"]


async def test_checks_that_are_no_count_are_not_added(world: Api) -> None:
    counts = (1e308, 1e308, float("inf"), float("nan"), -1.0, 4.0)
    known = {"agent_id": "a", "user_id": "acme", "timestamp": ago_us(minutes=1), "compliance_rate": 0.5}
    world.lake.add("metrics", [known | {"policy_checks": count} for count in counts])
    found = await world.json("/api/policies")
    assert (found["checks"], found["compliance_rate"]) == (4.0, 0.5)


async def test_without_anything_it_is_all_zero(world: Api) -> None:
    found = await world.json("/api/policies", "nobody")
    Policies.model_validate(found)
    assert (found["violations"], found["policies"], found["compliance_rate"]) == (0, [], None)
    assert found["coverage"]["agents"] == 0
