"""Routes of alerts that need no alert manager: the file of rules, the past, and what is said while it is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from small_lake import SmallLake, at
from web_world import Running, app_of, running

from infra.access import AuditTrail
from sinks.api.alerts.desk import AlertDesk
from sinks.api.alerts.models import DeliveryPage, HistoryPage
from sinks.api.alerts.routes import alerts_router
from sinks.api.past.pool import LakePool
from sinks.api.rules.book import version_of

GOOD = "version: 1\nrules:\n  - {name: hot, kind: threshold, metric: cpu_usage, above: 90}\n"
BAD = "version: 1\nrules:\n  - name: hot\n    kind: threshold\n    metrc: cpu_usage\n"
PATIENCE_S = 240.0
"""What an answer may take where a process is started for it on a busy machine."""

pytestmark = pytest.mark.usefixtures("patient_rules")


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return tmp_path / "rules.yaml"


@pytest.fixture
def trail() -> AuditTrail:
    return AuditTrail("", "fleetpulse:api:test")


@pytest.fixture
async def api(lake: SmallLake, rules: Path, trail: AuditTrail) -> AsyncIterator[Running]:
    past = LakePool(lake.folder, timeout_s=PATIENCE_S)
    app = app_of(alerts_router(AlertDesk(""), past, rules, trail))
    async with running(app, request_timeout_s=PATIENCE_S) as server:
        yield server
    past.close()


def text_of(file: Path) -> str | None:
    return file.read_text() if file.exists() else None


def beside(file: Path) -> list[str]:
    """What has a name like it, itself too."""
    return [path.name for path in file.parent.glob("*rules*")]


async def replace(api: Running, text: str, tenant: str | None = None) -> tuple[int, Any]:
    key = api.by("admin", tenant)
    answer = await api.client.post("/alerts", json={"action": "rules", "yaml": text}, headers=key, timeout=PATIENCE_S)
    return answer.status_code, answer.json()


async def test_rules_are_checked_and_replaced_whole(api: Running, rules: Path, trail: AuditTrail) -> None:
    status, done = await replace(api, GOOD)
    assert (status, done) == (200, {"action": "rules", "done": True, "rules": 1})
    assert text_of(rules) == GOOD
    status, problem = await replace(api, BAD)
    assert (status, problem["type"]) == (422, "bad-rules")
    assert {(error["line"], error["column"]) for error in problem["errors"]} >= {(5, 5)}
    assert any("did you mean metric" in error["message"] for error in problem["errors"])
    assert text_of(rules) == GOOD
    assert beside(rules) == ["rules.yaml"]
    assert [event.status for event in trail.log.waiting] == [200, 422]


async def test_only_an_admin_of_the_fleet_replaces_rules(api: Running, rules: Path) -> None:
    assert (await replace(api, GOOD, "acme"))[0] == 403
    operator = {"action": "rules", "yaml": GOOD}
    assert (await api.client.post("/alerts", json=operator, headers=api.by("operator", None))).status_code == 403
    assert text_of(rules) is None


async def test_rules_that_somebody_else_has_changed_are_not_overwritten(api: Running, rules: Path) -> None:
    order = {"action": "rules", "yaml": GOOD, "replaces": version_of("")}
    assert (
        await api.client.post("/alerts", json=order, headers=api.by("admin", None), timeout=PATIENCE_S)
    ).status_code == 200
    again = await api.client.post("/alerts", json=order, headers=api.by("admin", None), timeout=PATIENCE_S)
    assert (again.status_code, again.json()["type"]) == (409, "rules-changed")
    mine = {"action": "rules", "yaml": GOOD + "# more\n", "replaces": version_of(GOOD)}
    assert (
        await api.client.post("/alerts", json=mine, headers=api.by("admin", None), timeout=PATIENCE_S)
    ).status_code == 200
    assert text_of(rules) == GOOD + "# more\n"


async def test_without_a_file_of_rules_it_says_so(lake: SmallLake, trail: AuditTrail) -> None:
    past = LakePool(lake.folder, timeout_s=PATIENCE_S)
    app = app_of(alerts_router(AlertDesk(""), past, None, trail))
    async with running(app, request_timeout_s=PATIENCE_S) as server:
        status, problem = await replace(server, GOOD)
    past.close()
    assert (status, problem["type"]) == (409, "no-rules-file")


async def test_while_nobody_answers_for_alerts_it_is_503(api: Running) -> None:
    key = api.by("operator")
    answers = await asyncio.gather(
        api.client.get("/alerts", headers=key),
        api.client.get("/alerts/5f3a", headers=key),
        api.client.get("/silences", headers=key),
        api.client.post("/alerts", json={"action": "acknowledge", "fingerprints": ["5f3a"]}, headers=key),
    )
    assert {(answer.status_code, answer.headers["retry-after"]) for answer in answers} == {(503, "2")}
    for path in ("/alerts", "/alerts/x", "/silences", "/alerts/history"):
        assert (await api.client.get(path)).status_code == 401


def change(number: int, tenant: str, **more: object) -> dict[str, Any]:
    found = {"fingerprint": f"f{number}", "epoch": 1, "state": "firing", "name": "cpu_high", "agent_id": f"a{number}"}
    return {**found, "user_id": tenant, "timestamp": at(number), "cause": "began", "severity": "warning", **more}


async def test_the_past_is_a_tenants_own_and_comes_in_pages(api: Running, lake: SmallLake) -> None:
    lake.add("alerts", [change(n, "acme" if n % 2 else "other") for n in range(10)])
    sent = {"channel": "ops", "channel_kind": "webhook", "attempt": 1, "outcome": "failed", "error": "10.0.0.7 refused"}
    lake.add("deliveries", [change(1, "acme") | sent])
    span = {"from": "2026-03-01", "to": "2026-03-02"}

    async def page(tenant: str | None, **query: object) -> Any:  # noqa: ANN401  # JSON
        answer = await api.client.get("/alerts/history", params={**span, **query}, headers=api.by("viewer", tenant))
        assert answer.status_code == 200, answer.text
        HistoryPage.model_validate(answer.json())
        return answer.json()

    found: list[Any] = []
    query: dict[str, object] = {"limit": 2}
    while True:
        one = await page("acme", **query)
        found += one["items"]
        if one["next"] is None:
            break
        query["cursor"] = one["next"]
    assert [(row["kind"], row["fingerprint"]) for row in found] == [
        ("change", "f9"), ("change", "f7"), ("change", "f5"), ("change", "f3"), ("delivery", "f1"), ("change", "f1"),
    ]  # fmt: skip
    assert found[4]["error"] is None
    assert {row["user_id"] for row in found} == {"acme"}
    fleet = await page(None, name="cpu_*", agent="a1")
    assert [row["error"] for row in fleet["items"]] == ["10.0.0.7 refused", None]
    assert (await page("acme", fingerprint="F9", deliveries=False))["items"][0]["agent_id"] == "a9"
    assert (await page("acme", agent="a2"))["items"] == []
    for bad in ({"from": "x"}, {"cursor": "AAAA"}, {"limit": 0}):
        answer = await api.client.get("/alerts/history", params=bad, headers=api.by("viewer"))
        assert answer.status_code in {400, 422}


async def test_attempts_to_tell_somebody_are_a_tenants_own_and_come_in_pages(api: Running, lake: SmallLake) -> None:
    sent = {"channel": "ops", "channel_kind": "webhook", "outcome": "failed", "error": "10.0.0.7", "duration_s": 0.2}
    tries = [change(1, "acme") | sent | {"attempt": n, "timestamp": at(n)} for n in (1, 2, 3)]
    lake.add("deliveries", [*tries, change(1, "other") | sent | {"attempt": 9, "timestamp": at(9)}])
    span = {"from": "2026-03-01", "to": "2026-03-02"}

    async def page(tenant: str | None, **query: object) -> Any:  # noqa: ANN401  # JSON
        key = api.by("viewer", tenant)
        answer = await api.client.get("/alerts/f1/deliveries", params={**span, **query}, headers=key)
        assert answer.status_code == 200, answer.text
        DeliveryPage.model_validate(answer.json())
        return answer.json()

    first = await page("acme", limit=2)
    rest = await page("acme", limit=2, cursor=first["next"])
    both = first["items"] + rest["items"]
    assert [(row["attempt"], row["error"]) for row in both] == [(3, None), (2, None), (1, None)]
    assert rest["next"] is None
    newest = (await page(None))["items"][0]
    assert (newest["attempt"], newest["error"]) == (9, "10.0.0.7")
    assert (await page("nobody"))["items"] == []
    bad = await api.client.get("/alerts/f1/deliveries", params={"from": "x"}, headers=api.by("viewer"))
    assert bad.status_code == 422
