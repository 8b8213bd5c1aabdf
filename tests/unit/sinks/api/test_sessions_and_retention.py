"""Who is signed in and how long the lake keeps what, over HTTP, as far as no broker is needed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from api_world import Api, ago_us, api
from web_world import NOW_S

from infra.access import Role
from sinks.api.settings.models import SessionList, SettingsTold, WouldGo
from sinks.lake.keep import KEEP_FILE, Applied, Decision, decide, note_applied


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[Api]:
    async with api(tmp_path) as found:
        yield found


async def told(world: Api) -> Any:  # noqa: ANN401  # JSON
    answer = await world.client.get("/api/settings", headers=world.by(None, "admin"))
    assert answer.status_code == 200, answer.text
    return answer.json()


@contextlib.asynccontextmanager
async def browsers(world: Api, *people: tuple[str | None, Role]) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Browsers of people who signed in."""
    async with contextlib.AsyncExitStack() as stack:
        found = []
        for tenant, role in people:
            new = httpx.AsyncClient(
                base_url=world.server.listening.url, headers={"Sec-Fetch-Site": "same-origin"}, timeout=60
            )
            found.append(await stack.enter_async_context(new))
            answer = await found[-1].post("/session", json={"key": world.server.keys.make(role, tenant)})
            assert answer.status_code == 200, answer.text
        yield found


async def seen(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    answer = (await client.get("/api/sessions")).json()
    SessionList.model_validate(answer)
    return {each["id"]: each for each in answer["items"]}


async def test_who_is_signed_in_is_seen_by_those_who_may(world: Api) -> None:
    people: list[tuple[str | None, Role]] = [
        ("acme", "viewer"),
        ("globex", "viewer"),
        ("acme", "admin"),
        (None, "admin"),
    ]
    async with browsers(world, *people) as (viewer, other, admin, whole):
        [own] = (await seen(viewer)).values()
        [theirs] = (await seen(other)).values()
        assert (own["tenant"], own["role"], own["own"], own["current"]) == ("acme", "viewer", True, True)
        assert (own["address"], own["began"]) == ("127.0.0.1", "2026-11-21T19:30:00Z")
        of_tenant, of_all = await seen(admin), await seen(whole)
        assert own["id"] in of_tenant
        assert theirs["id"] not in of_tenant
        assert {own["id"], theirs["id"]} <= set(of_all)
        assert not of_all[own["id"]]["own"]


async def test_an_admin_ends_the_session_of_somebody_else_and_nobody_of_another_tenant(world: Api) -> None:
    async with browsers(world, ("acme", "viewer"), ("globex", "viewer"), ("acme", "admin")) as (viewer, other, admin):
        [theirs], [own] = (await seen(other)), (await seen(viewer))
        for client, session in ((viewer, theirs), (admin, theirs), (admin, "0" * 24)):
            assert (await client.delete(f"/api/sessions/{session}")).status_code == 404
        assert (await other.get("/api/me")).status_code == 200
        assert (await admin.delete(f"/api/sessions/{own}")).status_code == 204
        assert (await viewer.get("/api/me")).status_code == 401
        assert (await admin.delete(f"/api/sessions/{own}")).status_code == 404
        assert own not in await seen(admin)
    ends = [each for each in world.world.audit.log.waiting if each.action == "session.end"]
    assert any(own in (each.detail or "") for each in ends)


@pytest.mark.parametrize(
    ("table", "keep", "said"),
    [
        ("metrics", "1d", "too short"),
        ("audit", "80d", "90 days at least"),
        ("metrics", "20000d", "too long"),
        ("metrics", "-3d", "not a duration"),
        ("expired", "90d", "no table"),
        ("nonsense", "30d", "no table"),
        ("nonsense", "default", "not a duration"),
    ],
)
async def test_retention_that_would_do_harm_is_refused_with_its_reason(
    world: Api, table: str, keep: str, said: str
) -> None:
    headers = world.by(None, "admin")
    tried = await world.client.get(f"/api/settings/retention/{table}", params={"keep": keep}, headers=headers)
    ordered = await world.client.put(
        f"/api/settings/retention/{table}", json={"keep": keep, "was_s": 0}, headers=headers
    )
    for answer in (tried, ordered):
        assert answer.status_code == 422, answer.text
        assert said in answer.json()["detail"]


async def test_what_would_go_is_told_before_anything_is_decided(world: Api) -> None:
    world.lake.add("hosts", [{"host": "h", "agent_id": "a", "timestamp": ago_us(days=days)} for days in (40, 20)])
    headers = world.by(None, "admin")
    answer = await world.client.get("/api/settings/retention/hosts", params={"keep": "30d"}, headers=headers)
    found = answer.json()
    WouldGo.model_validate(found)
    assert (found["hours"], found["files"], found["keep_s"]) == (1, 1, 30 * 86_400)
    assert (found["from"], found["to"]) == ("2026-10-12T19:00:00.000Z", "2026-10-12T20:00:00.000Z")
    assert found["stored_bytes"] > 0


async def test_retention_is_for_admins_of_the_whole_fleet_and_who_looked_at_it(world: Api) -> None:
    path, order = "/api/settings/retention/hosts", {"keep": "30d", "was_s": 90 * 86_400}
    for tenant, role in (("acme", "admin"), (None, "operator")):
        assert (await world.client.put(path, json=order, headers=world.by(tenant, role))).status_code == 403
    headers = world.by(None, "admin")
    answer = await world.client.put(path, json={**order, "was_s": 1}, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (409, "changed")
    answer = await world.client.put(path, json=order, headers=headers)  # no broker: no audit trail
    assert (answer.status_code, answer.json()["type"]) == (503, "lake-away")
    found = {each["table"]: each for each in (await told(world))["retention"]}
    assert (found["hosts"]["lake_s"], found["hosts"]["decided_by"]) == (90 * 86_400, None)


async def test_how_long_is_what_was_decided_and_what_the_writer_went_by(world: Api) -> None:
    lake = world.world.lake
    decide(lake, "logs", Decision(45 * 86_400, "local:ops", NOW_S))
    note_applied(lake, Applied(NOW_S, {"logs": 30 * 86_400}))
    found = await told(world)
    SettingsTold.model_validate(found)
    logs = next(each for each in found["retention"] if each["table"] == "logs")
    assert (logs["lake_s"], logs["default_s"], logs["applied_s"]) == (45 * 86_400, 30 * 86_400, 30 * 86_400)
    assert (logs["decided_by"], logs["shortest_s"]) == ("local:ops", 2 * 86_400)
    assert (found["applied_at"], found["keep_trouble"]) == ("2027-01-15T08:00:00.000Z", None)
    (lake / KEEP_FILE).write_text("{")
    assert "nothing is removed" in (await told(world))["keep_trouble"]
    (lake / KEEP_FILE).unlink()
