"""Who asks, and what they may, by key and by session."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from api_world import NOW, Api, api, status

from infra.access import Role
from sinks.api.routes.me import Me

OURS = {"Sec-Fetch-Site": "same-origin"}


async def signed_in(world: Api, role: Role, tenant: str | None, *, sql: bool = False) -> httpx.AsyncClient:
    """The world's client, signed in with a new key."""
    key = world.server.keys.make(role, tenant, sql=sql)
    assert (await world.client.post("/session", json={"key": key}, headers=OURS)).status_code == 200
    return world.client


@pytest.mark.parametrize(
    ("role", "tenant", "sql", "may"),
    [
        ("viewer", "acme", False, {"operate": False, "administer": False, "sql": False}),
        ("viewer", "acme", True, {"operate": False, "administer": False, "sql": True}),
        ("operator", None, False, {"operate": True, "administer": False, "sql": False}),
        ("admin", "acme", False, {"operate": True, "administer": True, "sql": True}),
    ],
)
async def test_a_session_says_what_it_may(
    tmp_path: Path, role: Role, tenant: str, sql: bool, may: dict[str, bool]
) -> None:
    async with api(tmp_path) as world:
        told = (await (await signed_in(world, role, tenant, sql=sql)).get("/api/me")).json()
        Me.model_validate(told)
        assert (told["role"], told["tenant"], told["may"], told["session"]) == (role, tenant, may, True)
        assert told["expires_at"] == "2026-11-22T07:30:00Z"
        assert NOW.isoformat() == "2026-11-21T19:30:00+00:00"


async def test_a_key_says_the_same_without_a_session(tmp_path: Path) -> None:
    async with api(tmp_path) as world:
        told = await world.json("/api/me")
        assert (told["session"], told["expires_at"], told["via"]) == (False, None, "key")
        assert (await world.client.get("/api/me")).status_code == 401


async def test_a_session_sees_its_tenant_alone(tmp_path: Path) -> None:
    async with api(tmp_path) as world:
        world.tell("fleet.status", status("ours"), status("theirs", "other"))
        client = await signed_in(world, "admin", "acme")
        assert [each["agent_id"] for each in (await client.get("/api/agents")).json()["items"]] == ["ours"]
        assert (await client.get("/api/agents/status/theirs")).status_code == 404


async def test_a_session_is_refused_what_its_role_may_not(tmp_path: Path) -> None:
    async with api(tmp_path) as world:
        client = await signed_in(world, "viewer", "acme")
        answer = await client.post("/alerts", json={"action": "ack"}, headers=OURS)
        assert answer.status_code == 403
        assert (await client.post("/alerts", json={"action": "ack"})).json()["type"] == "forbidden"


async def test_a_stream_ends_with_its_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinks.api.live.stream.ALIVE_EVERY_S", 3_600.0)  # while the session lasts it may be said
    async with api(tmp_path) as world:
        client = await signed_in(world, "viewer", "acme")
        async with asyncio.timeout(60), client.stream("GET", "/api/live") as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == "retry: 2000"
            assert (await client.delete("/session", headers=OURS)).status_code == 204
            world.tell("fleet.status", status("ours"))
            assert [line async for line in lines if "alive" in line] == []
