"""The overview: every count by hand, nothing counted twice, nobody else's in it, and told as it changes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio
from api_world import Api, ago_us, api, events, status, trust
from web_world import until

from infra.runtime.clock import ManualClock
from infra.web.problem import Problem
from sinks.api.overview.beside import LEDGER_EVERY_S, Beside
from sinks.api.overview.board import AlertBoard
from sinks.api.overview.delivery import Deliveries, Delivery
from sinks.api.overview.models import ChangePage, LedgerPage, Overview
from sinks.api.past.pool import LakePool
from sinks.api.scope import Scope
from sinks.api.times import Span


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[Api]:
    async with api(tmp_path) as found:
        yield found
        found.world.overviews.pulse.close()


def event(agent: str = "bot", user: str = "acme", **more: object) -> dict[str, Any]:
    return {"agent_id": agent, "user_id": user, **more}


def alert(fingerprint: str, severity: str = "warning", **more: object) -> dict[str, Any]:
    found = {"fingerprint": fingerprint, "epoch": 1, "name": "cpu_high", "severity": severity, "state": "firing"}
    found |= {"agent_id": "bot", "user_id": "acme", "deployment_id": None, "summary": "busy", "suppressed_by": None}
    found |= {"told": "suppressed_by" not in more}
    return {**found, "rule_kind": "threshold", "starts_at": "2026-11-21T19:20:00Z", "ends_at": None, **more}


def hear(world: Api, *alerts: dict[str, Any]) -> None:
    for each in alerts:
        world.world.overviews.board.hear({"event": "alert", "alert": each})


async def test_agents_trust_and_alerts_are_told_at_once(world: Api) -> None:
    world.tell("fleet.status", status("a"), status("b", word="offline"), status("c", word="late"))
    world.tell("fleet.trust", trust("a", score=0.97), trust("b", score=0.2))
    hear(world, alert("1", "critical"), alert("2", state="acknowledged", suppressed_by="acknowledged"))
    found = await world.json("/api/overview")
    Overview.model_validate(found)
    assert found["by_status"] == {"online": 1, "late": 1, "offline": 1, "degraded": 0, "unknown": 0}
    assert (found["agents"], found["trust"]["scored"], found["lowest_trust"][0]["agent_id"]) == (3, 2, "b")
    assert found["alerts"]["by_severity"] == {"critical": 1, "warning": 1, "info": 0}
    assert (found["alerts"]["total"], found["alerts"]["acknowledged"]) == (2, 1)
    assert found["ledger"] is None
    assert found["throughput"] is None
    assert (await world.get("/api/ledger")).status_code == 503


async def test_what_the_lake_knows_is_asked_beside(world: Api) -> None:
    rows = [event(session_id="x", seq=seq, timestamp=ago_us(minutes=2)) for seq in (0, 1, 4)]
    world.lake.add("metrics", rows)
    world.lake.add("metrics", [event(session_id="x", seq=9, timestamp=ago_us(seconds=3))])  # 5 to 8 are on their way
    world.lake.add("logs", [event(session_id="y", seq=0, timestamp=ago_us(minutes=1))])
    await world.world.overviews.beside.ask_ledger()
    found = (await world.json("/api/overview"))["ledger"]
    assert (found["sessions"], found["published"], found["landed"], found["missing"]) == (2, 6, 4, 2)
    assert (found["duplicates"], found["span_s"], found["every_s"]) == (None, None, LEDGER_EVERY_S)
    page = await world.json("/api/ledger", limit=1)
    LedgerPage.model_validate(page)
    assert [(each["agent_id"], each["missing"]) for each in page["items"]] == [("bot", 2)]
    assert (await world.json("/api/ledger", q="none"))["total"] == 0
    assert (await world.json("/api/ledger", "globex"))["items"] == []
    fleet = (await world.json("/api/overview", None))["ledger"]
    assert (fleet["missing"], fleet["duplicates"], fleet["dead_letters"]) == (2, 0, 0)
    other = (await world.json("/api/overview", "globex"))["ledger"]
    assert (other["sessions"], other["published"]) == (0, 0)


async def test_violations_of_the_hour_are_counted_by_severity(world: Api) -> None:
    world.lake.add(
        "violations",
        [
            event(severity="critical", timestamp=ago_us(minutes=59)),
            event(severity="Low", timestamp=ago_us(minutes=1)),
            event(severity="strange", timestamp=ago_us(minutes=1)),
            event(severity="critical", timestamp=ago_us(minutes=61)),
            event("other", "globex", severity="high"),
        ],
    )
    await world.world.overviews.pulse.look()
    found = (await world.json("/api/overview"))["violations"]
    assert found["by_severity"] == {"critical": 1, "high": 0, "medium": 0, "low": 1, "other": 1}
    assert found["total"] == 3
    world.world.clock.advance(120)  # type: ignore[attr-defined]  # a manual clock
    await world.world.overviews.pulse.look()
    assert (await world.json("/api/overview"))["violations"]["by_severity"]["critical"] == 0


async def test_throughput_is_of_the_scope_alone(world: Api) -> None:
    world.lake.add("metrics", [event(timestamp=ago_us(seconds=10 + second)) for second in range(60)])
    world.lake.add("logs", [event("z", "globex", timestamp=ago_us(seconds=20)) for _ in range(30)])
    await world.world.overviews.pulse.look()
    ours = (await world.json("/api/overview"))["throughput"]
    assert ours["events_per_s"] == pytest.approx(1.0, abs=0.1)
    assert sum(ours["per_minute"]) * 60 == pytest.approx(60)
    everything = (await world.json("/api/overview", None))["throughput"]
    assert everything["events_per_s"] == pytest.approx(1.5, abs=0.1)
    assert world.world.overviews.pulse.rate(Scope("acme", ("bot",))) is None


async def test_a_file_that_was_compacted_counts_once(world: Api) -> None:
    first = world.lake.add("violations", [event(severity="high", timestamp=ago_us(minutes=3)) for _ in range(2)])
    pulse = world.world.overviews.pulse
    await pulse.look()
    [file] = first
    file.rename(file.with_name(file.name.replace("1of1", "1of1c")))
    await pulse.look()
    await pulse.look()
    assert pulse.violations(Scope("acme"))["total"] == 2
    world.lake.add("violations", [event(severity="high", timestamp=ago_us(minutes=3))])
    await pulse.look()
    assert pulse.violations(Scope("acme"))["total"] == 3


async def test_a_memory_of_another_log_has_none_of_the_violations(world: Api) -> None:
    world.lake.add("violations", [event(severity="high", timestamp=ago_us(minutes=3))])
    pulse = world.world.overviews.pulse
    await pulse.look()
    world.world.memory.clear()
    assert (await world.json("/api/overview"))["violations"]["total"] == 0
    await pulse.look()
    assert pulse.violations(Scope("acme"))["total"] == 1


async def test_the_newest_changes_come_together(world: Api) -> None:
    world.tell("fleet.status", status("a", word="late", at_us=ago_us(minutes=5), previous="online"))
    world.tell("fleet.status", status("old", at_us=ago_us(hours=3)))
    hear(world, alert("1"), alert("2", state="resolved", ends_at="2026-11-21T19:29:00Z"))
    hear(world, alert("3", starts_at="2026-11-21T12:00:00Z"), alert("4", suppressed_by="silence:1"))
    world.lake.add("trust", [trust("a", score=0.9, timestamp=ago_us(minutes=40)), trust("a", score=0.7)])
    await world.world.overviews.beside.ask_falls()
    found = (await world.json("/api/overview"))["changes"]
    assert (found["agents"], found["by_status"], found["trust_falls"]) == (1, {"late": 1}, 1)
    assert (found["alerts_begun"], found["alerts_over"]) == (2, 1)
    assert [(each["kind"], each["state"] or each["status"]) for each in found["newest"]][:2] == [
        ("trust", None), ("alert", "resolved"),
    ]  # fmt: skip
    assert {each["fingerprint"] for each in found["newest"]} == {"1", "2", None}


async def test_an_alert_that_is_silenced_later_began_all_the_same(world: Api) -> None:
    hear(world, alert("1"), alert("2"), alert("3", suppressed_by="silence:1"), alert("4"))
    hear(world, alert("1", suppressed_by="silence:1", told=True))
    hear(world, alert("2", suppressed_by="acknowledged", state="acknowledged", told=True))
    over = {"state": "resolved", "ends_at": "2026-11-21T19:29:00Z", "told": False}
    hear(world, alert("4", suppressed_by="silence:1", told=True), alert("4", suppressed_by="silence:1", **over))
    found = await world.json("/api/overview")
    assert (found["changes"]["alerts_begun"], found["changes"]["alerts_over"]) == (3, 1)
    begun = {each["fingerprint"] for each in found["changes"]["newest"] if each["state"] == "firing"}
    assert begun == {"1", "2", "4"}
    assert (found["alerts"]["total"], found["alerts"]["quiet"]["silence"]) == (1, 2)
    hear(world, alert("1", epoch=2, suppressed_by="silence:1"))  # a firing that nobody ever heard of
    world.world.clock.advance(2)  # type: ignore[attr-defined]  # a manual clock
    assert (await world.json("/api/overview"))["changes"]["alerts_begun"] == 2


async def test_changes_of_any_span_come_in_pages(world: Api) -> None:
    world.lake.add("status", [status(f"a{i}", timestamp=ago_us(minutes=i), previous="late") for i in range(5)])
    world.lake.add("status", [status("same", previous="online")])
    world.lake.add("alerts", [event(fingerprint="f", state="firing", severity="critical", cause="began")])
    world.lake.add("alerts", [event(fingerprint="f", state="firing", severity="critical", cause="repeated")])
    scores = [(0.9, 50), (0.88, 30), (0.7, 15), (0.69, 1)]
    world.lake.add("trust", [trust("t", score=s, timestamp=ago_us(minutes=m)) for s, m in scores])
    first = await world.json("/api/changes", limit=4)
    ChangePage.model_validate(first)
    rest = await world.json("/api/changes", limit=4, cursor=first["next"])
    items = first["items"] + rest["items"]
    assert [item["kind"] for item in items].count("status") == 5
    assert [item["fingerprint"] for item in items if item["kind"] == "alert"] == ["f"]
    assert [(item["trust_before"], item["trust"]) for item in items if item["kind"] == "trust"] == [(0.9, 0.69)]
    assert len({item["id"] for item in items}) == 7
    assert rest["next"] is None
    assert len((await world.json("/api/changes", kind="status", agent="a1"))["items"]) == 1
    assert (await world.json("/api/changes", "globex"))["items"] == []
    assert (await world.get("/api/changes", kind="secrets")).status_code == 422


async def test_counts_are_told_as_they_change(world: Api) -> None:
    world.tell("fleet.status", status("a"))
    telling = asyncio.create_task(world.world.overviews.run())
    try:
        path = "/api/live?topics=fleet&snapshot=false"
        async with asyncio.timeout(60), world.client.stream("GET", path, headers=world.by()) as answer:
            told = events(answer)
            assert (await anext(told)).kind == "hello"
            world.world.clock.advance(2)  # type: ignore[attr-defined]  # a manual clock
            world.tell("fleet.status", status("b", word="offline"))
            while True:
                found = await anext(told)
                if found.kind == "fleet" and found.data["by_status"]["offline"]:
                    break
            Overview.model_validate(found.data)
            assert found.data["agents"] == 2
    finally:
        telling.cancel()
        await asyncio.wait({telling})


async def ask_nobody(*_: object, **__: object) -> dict[str, Any]:
    raise AssertionError


def board_of(*alerts: dict[str, Any]) -> AlertBoard:
    board = AlertBoard(ask_nobody)
    for each in alerts:
        board.hear({"event": "alert", "alert": each})
    return board


def test_alerts_are_counted_as_a_list_shows_them() -> None:
    board = board_of(
        alert("root", "critical", name="incident"),
        alert("member", "critical", suppressed_by="incident:root"),
        alert("alone", "warning", suppressed_by="incident:root"),
        alert("quiet", suppressed_by="silence:1"),
        alert("over", state="resolved"),
        alert("dog", name="watchdog", rule_kind="watchdog"),
    )
    found = board.of(Scope("acme"))
    assert found["total"] == 1
    # With a severity as the filter a list holds a member by itself, where its incident is of another.
    assert found["by_severity"] == {"critical": 1, "warning": 1, "info": 0}
    assert found["quiet"] == {"silence": 1, "maintenance": 0, "inhibited": 0}


def test_alerts_of_others_and_of_the_fleet_are_not_a_tenants() -> None:
    board = board_of(alert("1", user_id=""), alert("2", user_id="globex"), alert("3", agent_id=""), alert("4"))
    assert board.of(Scope())["total"] == 4
    assert board.of(Scope("acme"))["total"] == 2
    assert board.of(Scope("acme", ("b*",)))["total"] == 1
    board.hear({"event": "forgotten", "fingerprint": "4", "user_id": "acme"})
    assert board.of(Scope("acme"))["total"] == 1


async def test_the_board_is_read_anew_whenever_the_desk_is_ready() -> None:
    pages = [{"alerts": [alert("1"), alert("2")], "next": 2}, {"alerts": [alert("3")], "next": None}]
    board = AlertBoard(ask_nobody)

    async def ask(_do: str, _scope: Scope, *, after: int | None, **_: object) -> dict[str, Any]:
        if after is not None:  # told while it is read: newer than what is read
            board.hear({"event": "alert", "alert": alert("3", state="resolved")})
        return pages[0 if after is None else 1]

    board._ask = ask
    board.hear({"event": "alert", "alert": alert("gone")})
    assert not board.whole
    running = asyncio.create_task(board.run())
    board.hear({"event": "ready"})
    await until(lambda: board.whole)
    assert board.of(Scope())["total"] == 2
    board.hear({"event": "away"})
    assert not board.whole
    running.cancel()
    await asyncio.wait({running})


class SlowAtTimes:
    """A lake that takes too long to answer while `slow`; `spans`: what it was asked of."""

    def __init__(self) -> None:
        self.slow = True
        self.spans: list[Span | None] = []

    async def ask(self, *_: object, span: Span | None, **__: object) -> Deliveries:
        """As `LakePool.ask`."""
        self.spans.append(span)
        if self.slow:
            raise Problem(503, type="too-slow")
        return Deliveries({}, {}, Delivery(), 0, 0)


async def asked_once(beside: Beside) -> None:
    with contextlib.suppress(Problem):
        await beside.ask_ledger()


async def test_a_ledger_that_was_narrowed_is_widened_once_the_lake_is_fast() -> None:
    clock, lake = ManualClock(), SlowAtTimes()
    beside = Beside(cast(LakePool, lake), clock)
    await asked_once(beside)
    await asked_once(beside)
    lake.slow = False
    await asked_once(beside)
    found = beside.ledger(Scope())
    assert found is not None
    assert found["span_s"] == 3_600.0
    for _ in range(3):
        clock.advance(120)
        await asked_once(beside)
    assert [span is None for span in lake.spans] == [True, False, False, False, False, True]
    assert (beside.ledger(Scope()) or {})["span_s"] is None


async def test_more_is_asked_ever_more_rarely_where_it_stays_too_much() -> None:
    clock, lake = ManualClock(), SlowAtTimes()
    beside = Beside(cast(LakePool, lake), clock)
    for _ in range(600):
        lake.slow = beside._narrowest == 0
        await asked_once(beside)
        clock.advance(15)
    assert 3 <= sum(span is None for span in lake.spans) <= 9
