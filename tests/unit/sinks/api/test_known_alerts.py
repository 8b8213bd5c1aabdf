"""What changed while nobody told: found by comparing, neither twice nor never."""

from __future__ import annotations

from typing import Any

from sinks.api.alerts.known import Known


def alert(name: str, state: str = "firing", **more: object) -> dict[str, Any]:
    found = {"fingerprint": name, "user_id": "t", "state": state, "epoch": 1, "severity": "warning", "summary": "s"}
    return {**found, "suppressed_by": None, "flapping": False, "actor": None, "member_count": 0, **more}


class World:
    """Alerts by pages of two; `between` is told while the second page is on its way."""

    def __init__(self, *alerts: dict[str, Any]) -> None:
        self.alerts = list(alerts)
        self.known = Known()
        self.between: dict[str, Any] | None = None

    async def page(self, *, everything: bool, most: int, after: int | None) -> dict[str, Any]:
        assert everything
        assert most > 0
        start = after or 0
        if start and self.between is not None:
            self.known.take(self.between)
        more = start + 2 < len(self.alerts)
        return {"alerts": self.alerts[start : start + 2], "next": start + 2 if more else None}


async def test_nothing_is_news_the_first_time() -> None:
    world = World(alert("a"), alert("b"), alert("c"))
    assert await world.known.missed(world.page) == []
    assert await world.known.missed(world.page) == []


async def test_what_changed_came_or_went_is_news_once() -> None:
    world = World(alert("a"), alert("b"), alert("c"))
    await world.known.missed(world.page)
    world.alerts = [alert("a", "resolved"), alert("c"), alert("d", user_id="u")]
    news = await world.known.missed(world.page)
    assert [each["alert"]["fingerprint"] for each in news if each["event"] == "alert"] == ["a", "d"]
    assert [each for each in news if each["event"] == "forgotten"] == [
        {"event": "forgotten", "fingerprint": "b", "user_id": "t"}
    ]
    assert await world.known.missed(world.page) == []


async def test_a_headline_that_went_on_is_news() -> None:
    world = World(alert("host", summary="12 of 40 agents down"))
    await world.known.missed(world.page)
    world.alerts = [alert("host", summary="3 of 40 agents down, 31 at the worst")]
    assert [each["alert"]["summary"] for each in await world.known.missed(world.page)] == [world.alerts[0]["summary"]]


async def test_what_is_told_meanwhile_is_not_told_again() -> None:
    world = World(alert("a"), alert("b"), alert("c"))
    await world.known.missed(world.page)
    world.alerts = [alert("a", "resolved"), alert("b"), alert("c", "resolved"), alert("d")]
    world.between = {"event": "alert", "alert": alert("c", "resolved")}
    news = await world.known.missed(world.page)
    assert [each["alert"]["fingerprint"] for each in news] == ["a", "d"]
    world.between = {"event": "forgotten", "fingerprint": "d", "user_id": "t"}
    world.alerts = world.alerts[:3]
    assert await world.known.missed(world.page) == []
