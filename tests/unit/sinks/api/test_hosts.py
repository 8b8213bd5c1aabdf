"""GET /api/hosts: who runs where and what was measured there, of the caller's tenant alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from api_world import Api, ago_us, api, status, trust

from sinks.api.hosts.models import HostDetail, HostPage

HOSTILE = "<img src=x onerror=alert(1)>/../x"

pytestmark = pytest.mark.asyncio(loop_scope="module")


def probed(host: str, user: str = "acme", **more: object) -> dict[str, Any]:
    """A record of fleet.hosts, five minutes old."""
    found = {"agent_id": f"host:{host}", "user_id": user, "host": host, "cpu_usage": 10.0, "memory_usage": 20.0}
    return {**found, "timestamp": ago_us(minutes=5), "cpu_cores": 4, **more}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with api(tmp_path_factory.mktemp("api")) as found:
        found.tell(
            "fleet.status",
            status("a", host="web-1"),
            status("b", host="web-1", word="late"),
            status("host:web-1", host="web-1"),
            status("c", host=HOSTILE),
            status("d", host=None),
            status("x", "globex", host="web-1", word="offline"),
            status("y", "globex", host="theirs"),
        )
        found.tell("fleet.trust", trust("a", score=0.5), trust("b", score=0.9), trust("x", "globex", 0.1))
        found.lake.add(
            "hosts",
            [
                probed("web-1", cpu_usage=90.0, timestamp=ago_us(minutes=6)),
                probed("web-1", cpu_usage=40.0, load_1m=float("nan")),
                probed("idle"),
                probed("web-1", "globex", cpu_usage=99.0, timestamp=ago_us(minutes=1)),
                probed("of-theirs-alone", "globex"),
                probed("long-gone", timestamp=ago_us(hours=4)),
            ],
        )
        yield found


async def test_hosts_say_who_runs_on_them_and_what_was_measured_last(world: Api) -> None:
    found = await world.json("/api/hosts")
    HostPage.model_validate(found)
    hosts = {line["host"]: line for line in found["items"]}
    assert list(hosts) == [HOSTILE, "idle", "web-1"]
    web = hosts["web-1"]
    assert (web["agents"], web["by_status"], web["probe"]) == (2, {"online": 1, "late": 1}, "online")
    assert (web["trust_mean"], web["trust_lowest"]) == (pytest.approx(0.7), 0.5)
    assert (web["measured"]["cpu_usage"], web["measured"]["load_1m"]) == (40.0, None)
    assert (hosts["idle"]["agents"], hosts[HOSTILE]["measured"]) == (0, None)


async def test_a_host_is_seen_as_the_tenant_sees_it(world: Api) -> None:
    theirs = {line["host"]: line for line in (await world.json("/api/hosts", "globex"))["items"]}
    assert theirs.keys() == {"web-1", "theirs", "of-theirs-alone"}
    assert (theirs["web-1"]["agents"], theirs["web-1"]["measured"]["cpu_usage"]) == (1, 99.0)
    everything = {line["host"]: line["agents"] for line in (await world.json("/api/hosts", None))["items"]}
    assert (everything["web-1"], len(everything)) == (3, 5)
    for host in ("theirs", "of-theirs-alone", "nowhere"):
        assert (await world.get(f"/api/hosts/{host}")).status_code == 404, host


@pytest.mark.parametrize(
    ("asked", "first", "total"),
    [
        ({"sort": "-cpu_usage"}, "web-1", 3), ({"sort": "-agents"}, "web-1", 3), ({"sort": "trust"}, "web-1", 3),
        ({"q": "IDL"}, "idle", 1), ({"offset": 1, "limit": 1}, "idle", 3), ({"offset": 9}, None, 3),
    ],
)  # fmt: skip
async def test_lists_are_sorted_filtered_and_cut(
    world: Api, asked: dict[str, str | int], first: str | None, total: int
) -> None:
    found = await world.json("/api/hosts", **asked)
    assert (found["total"], [line["host"] for line in found["items"][:1]]) == (total, [first] if first else [])


async def test_one_host_has_its_past_and_its_agents(world: Api) -> None:
    found = await world.json("/api/hosts/web-1", range="10m")
    HostDetail.model_validate(found)
    assert [line["agent_id"] for line in found["on_it"]] == ["a", "b"]
    assert found["history"]["series"]["cpu_usage"] == [90.0, 40.0]
    assert "load_1m" not in found["history"]["series"]
    past = await world.json("/api/hosts/long-gone")
    assert (past["agents"], past["measured"], len(past["history"]["at"])) == (0, None, 1)


async def test_a_name_with_anything_in_it_is_a_name(world: Api) -> None:
    answer = await world.client.get(f"/api/hosts/{HOSTILE.replace('/', '%2F')}", headers=world.by())
    assert (answer.status_code, answer.json()["host"]) == (200, HOSTILE)


async def test_a_bad_range_is_told(world: Api) -> None:
    assert (await world.get("/api/hosts/web-1", range="1x")).status_code == 422


async def test_a_parameter_that_is_misspelt_is_refused(world: Api) -> None:
    assert (await world.get("/api/hosts", query="web")).status_code == 422
    assert (await world.get("/api/hosts/web-1", ranges="1h")).status_code == 422
    assert (await world.get("/api/hosts/web-1", range="1h")).status_code == 200
