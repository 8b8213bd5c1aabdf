"""Fault 50: another tenant's agent is the same 404 as a missing one, by every route, id, cursor, filter and header."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from api_world import NOW_US, Api, api, events, status, trust

from infra.web.table import assert_every_route_has_a_rule
from sinks.api.pages import encode_cursor

MARK = "of-globex-alone"
OF_AN_AGENT = (
    "/api/agents/status/{}",
    "/api/agents/{}/metrics",
    "/api/agents/{}/violations",
    "/api/agents/{}/logs",
    "/api/agents/{}/forecasts",
    "/api/agents/{}/anomalies",
    "/api/agents/{}/lifecycle",
    "/api/agents/{}/timeline",
    "/api/agents/{}/metric-names",
    "/api/agents/{}/trust-history",
    "/api/agents/{}/trust",
    "/api/agents/{}/ledger",
    "/v1/runs/{}",
)
LISTS = ("/api/agents", "/v1/runs", "/api/fleet", "/api/agents/groups", "/api/topology")
WHOLE = ("/api/overview", "/api/changes", "/api/violations", "/api/policies", "/api/ledger")
"""Of the whole fleet of a scope."""


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """Both tenants have an agent `bot`; `MARK` names an agent, a run and everything else of globex alone."""
    async with api(tmp_path_factory.mktemp("api")) as found:
        for tenant, agent in (("acme", "bot"), ("globex", "bot"), ("globex", MARK)):
            _fill(found, tenant, agent)
        await found.world.recent.look()
        await found.world.overviews.pulse.look()
        await found.world.overviews.beside.ask_falls()
        found.world.clock.advance(60)  # type: ignore[attr-defined]  # a manual clock: what is on its way has arrived
        await found.world.overviews.beside.ask_ledger()
        yield found
        found.world.overviews.pulse.close()


def _fill(found: Api, tenant: str, agent: str) -> None:
    text = "ours" if tenant == "acme" else MARK
    found.tell("fleet.status", status(agent, tenant, deployment_id=text, host=text, word="offline"))
    found.tell("fleet.trust", trust(agent, tenant, 0.5 if tenant == "acme" else 0.125))
    common = {"agent_id": agent, "user_id": tenant, "deployment_id": text, "run_id": text}
    found.lake.add("metrics", [common | {"cpu_usage": 1.0, "custom": [{"name": text, "value": 1.0}]}])
    found.lake.add("heartbeats", [common | {"version": text}])
    found.lake.add("violations", [common | {"policy_id": text, "severity": "critical", "description": text}])
    found.lake.add("logs", [common | {"message": text, "session_id": text}])
    found.lake.add("forecasts", [common | {"metric": text}])
    found.lake.add("anomalies", [common | {"metric": text}])
    found.lake.add("lifecycle", [common | {"kind": "agent_started", "tool": text}])
    found.lake.add("status", [status(agent, tenant, previous=text)])
    found.lake.add("trust", [trust(agent, tenant)])
    found.lake.add("runs", [common | {"kind": "run_started", "name": text}])
    letter = {
        "topic": "fleet.logs",
        "offset": len(text + agent),
        "key": agent.encode(),
        "raw": text.encode(),
        "detail": text,
    }
    found.lake.add("deadletter", [common | letter])


def _told(answer: Any) -> dict[str, Any]:  # noqa: ANN401  # any response
    body = answer.json()
    return {name: value for name, value in body.items() if name != "request_id"}


@pytest.mark.parametrize("path", OF_AN_AGENT)
async def test_what_is_another_tenants_is_told_as_what_is_missing(world: Api, path: str) -> None:
    theirs, missing = await world.get(path.format(MARK)), await world.get(path.format("of-nobody"))
    assert theirs.status_code == missing.status_code == 404
    assert _told(theirs) == _told(missing)
    assert set(theirs.headers) == set(missing.headers)


@pytest.mark.parametrize("path", OF_AN_AGENT[:-1])
async def test_of_a_name_that_both_have_each_sees_its_own(world: Api, path: str) -> None:
    ours = (await world.get(path.format("bot"))).text
    assert MARK not in ours
    assert "globex" not in ours
    assert "0.125" not in ours
    theirs = (await world.get(path.format("bot"), "globex")).text
    assert "acme" not in theirs
    assert "ours" not in theirs


@pytest.mark.parametrize("path", [*LISTS, *WHOLE])
async def test_lists_hold_the_own_tenant_alone(world: Api, path: str) -> None:
    ours = (await world.get(path)).text
    assert "bot" in ours or "ours" in ours
    assert MARK not in ours
    assert "globex" not in ours


@pytest.mark.parametrize(
    ("path", "filters"),
    [
        ("/api/agents", {"q": MARK}),
        ("/api/agents", {"deployment": MARK}),
        ("/v1/runs", {"agent": MARK}),
        ("/api/agents/bot/logs", {"q": MARK}),
        ("/api/agents/bot/violations", {"policy": MARK}),
        ("/api/agents/bot/forecasts", {"metric": MARK}),
        ("/api/violations", {"policy": MARK}),
        ("/api/violations", {"agent": MARK}),
        ("/api/changes", {"agent": MARK}),
    ],
)
async def test_a_filter_finds_nothing_of_others(world: Api, path: str, filters: dict[str, str | int]) -> None:
    assert (await world.json(path, **filters))["items"] == []


async def test_totals_count_the_own_tenant_alone(world: Api) -> None:
    assert (await world.json("/api/agents"))["total"] == 1
    fleet = await world.json("/api/fleet")
    assert (fleet["agents"], fleet["trust"]["mean"]) == (1, 0.5)


async def test_a_metric_of_another_tenant_cannot_be_named(world: Api) -> None:
    found = await world.json("/api/agents/bot/metrics", metrics=MARK)
    assert found["series"][MARK]["mean"] == [None]


async def test_a_cursor_leads_nowhere_else(world: Api) -> None:
    theirs = encode_cursor(["agent_id", 0.0, MARK, "globex"])
    assert (await world.json("/api/agents", cursor=encode_cursor(["agent_id", 0.0, "", ""])))["total"] == 1
    assert MARK not in (await world.get("/api/agents", cursor=theirs)).text
    newest = encode_cursor([NOW_US + 1, "ffffffff-ffff-ffff-ffff-ffffffffffff"])
    for name in ("violations", "logs", "forecasts"):
        assert MARK not in (await world.get(f"/api/agents/bot/{name}", cursor=newest)).text
    assert MARK not in (await world.get("/v1/runs", cursor=encode_cursor([NOW_US + 1, "~", "~"]))).text


async def test_a_tenant_cannot_be_asked_for(world: Api) -> None:
    assert (await world.get("/api/fleet", tenant="acme")).status_code == 200
    answer = await world.client.get("/api/fleet", params={"tenant": "globex"}, headers=world.by("acme"))
    assert answer.status_code == 404
    spoofed = {"X-Agent-Id": MARK, "X-User-Id": "globex", "X-Tenant": "globex", "X-Forwarded-For": "127.0.0.1"}
    answer = await world.client.get("/api/agents", headers=world.by("acme") | spoofed)
    assert MARK not in answer.text


async def test_the_ledger_of_a_tenant_tells_no_dead_letters(world: Api) -> None:
    assert (await world.json("/api/agents/bot/ledger"))["total"]["dead_letters"] == 0
    assert (await world.json("/api/agents/bot/ledger", None))["total"]["dead_letters"] == 2


async def test_the_whole_fleet_is_seen_by_who_may(world: Api) -> None:
    assert (await world.json("/api/agents", None))["total"] == 3
    assert (await world.json(f"/api/agents/status/{MARK}", None))["user_id"] == "globex"


@pytest.mark.parametrize("again", ["", "boot-0-0", "{boot}-0-0", "{boot}-1-0"])
async def test_a_stream_tells_its_tenant_alone(world: Api, again: str) -> None:
    headers = world.by() | {"Last-Event-ID": again.format(boot=world.world.viewers.boot)}
    world.world.viewers.alerts.add("globex", MARK, {"agent_id": MARK})
    seen = ""
    async with world.client.stream("GET", "/api/live", headers=headers) as answer:
        async for event in events(answer):
            seen += str(event.data)
            if event.kind == "frame":
                break
    assert "acme" in seen
    assert MARK not in seen
    assert "globex" not in seen


async def test_ingest_keys_read_nothing(world: Api) -> None:
    key = world.server.by("ingest", "acme", "bot")
    for path in (*(path.format("bot") for path in OF_AN_AGENT), *LISTS, *WHOLE, "/api/live"):
        assert (await world.client.get(path, headers=key)).status_code == 403, path


async def test_every_route_has_a_rule_and_these_tests_know_every_route(world: Api) -> None:
    """A new route has to be added here, or be public: then it says nothing of anybody."""
    table = assert_every_route_has_a_rule(world.server.door.app)
    guarded = {entry.template for entry in table.entries if entry.rule is not None and entry.rule.role is not None}
    of_agent = {path.format("{agent_id}") for path in OF_AN_AGENT[:-1]} | {"/v1/runs/{run_id}"}
    others = {"/metrics", "/api/live"}
    elsewhere = {
        "/alerts",
        "/alerts/{fingerprint}",
        "/alerts/history",
        "/silences",
        "/api/reports/compliance",
        "/api/sql",
        "/api/hosts",
        "/api/hosts/{host}",
        "/api/pipeline",
        "/api/deadletters",
        "/api/deadletters/replay",
        "/api/settings",
        "/api/settings/retention/{table}",
        "/api/sessions",
        "/api/sessions/{session_id}",
        "/api/keys",
        "/api/keys/{lookup}/rotate",
        "/api/keys/{lookup}/revoke",
        "/alerts/{fingerprint}/deliveries",
        "/api/me",
        "/api/rules",
        "/api/rules/check",
        "/api/rules/preview",
        "/api/sql/export",
        "/api/sql/schema",
        "/api/trends",
        "/api/trends/measures",
        "/api/views",
        "/api/views/{view_id}",
    }
    assert guarded - elsewhere == of_agent | set(LISTS) | set(WHOLE) | others
    for path in (*(path.format("bot") for path in OF_AN_AGENT), *LISTS, *WHOLE, "/api/live"):
        assert (await world.client.get(path)).status_code == 401, path


async def test_metrics_of_the_process_name_no_agent(world: Api) -> None:
    await world.get(f"/api/agents/status/{MARK}")
    assert MARK not in (await world.client.get("/metrics")).text
