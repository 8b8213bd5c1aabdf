"""A budget that two workers add up, over the end of a worker and of the alert manager, until its window rolls on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rules_processes import alerts, fleet, judged, of, running

from infra.broker.interface import Broker
from infra.runtime.batch_send import partition_of

AGENTS = tuple(f"agent-{number}" for number in range(10))
BUDGETS = """version: 1
rules:
  - {name: spend, kind: budget, metric: "custom:cost", of: tenant, limit: 10, window: 1m, burn: {critical: 1.0}}
  - {name: failing, kind: budget, metric: failures, per: completed, of: fleet, limit: 0.2, least: 5, window: 1h}
"""


@pytest.mark.fault
async def test_a_budget_is_added_up_over_workers_survives_them_and_rolls_on(
    broker_factory: Callable[[str], Broker], tmp_path: Path
) -> None:
    bootstrap = broker_factory("tansu").bootstrap
    one, two = (next(a for a in AGENTS if partition_of(a.encode(), 2) == number) for number in (0, 1))
    async with (
        judged(bootstrap, tmp_path, BUDGETS, workers=2) as (file, workers, manager),
        fleet(bootstrap) as agents,
        alerts(bootstrap) as told,
    ):
        early_s = time.time() - 10.0  # out of the window before long, but not before all of it is added up
        await agents.metrics(one, early_s, user_id="acme", custom={"cost": 6.0})
        await agents.metrics(two, user_id="acme", custom={"cost": 3.5})
        for status in ("success", "failure", "success", "failure"):
            await agents.send("fleet.lifecycle", one, kind="tool_completed", status=status, user_id="acme")
        assert await told.quiet(2.0) == []
        await agents.metrics(two, user_id="acme", custom={"cost": 1.5})
        await agents.send("fleet.lifecycle", two, kind="tool_completed", status="failure", user_id="acme")
        fired = await told.fires("spend")
        assert (fired["agent_id"], fired["user_id"], fired["value"]) == ("tenant:acme", "acme", 11.0)
        assert (await told.fires("failing"))["value"] == 0.6
        assert await workers[0].stop() == 0
        manager.process.kill()
        await manager.process.wait()
        options = ("--bootstrap", bootstrap, "--rules", str(file))
        async with running(tmp_path, "stream-worker", *options), running(tmp_path, "alert-manager", *options):
            await told.ends("spend", 120)
            assert time.time() - early_s >= 58.0
            await told.quiet(1.0)
    # What the manager had told when it was killed it may have written twice, with the same identifier.
    firings = {name: {row["event_id"] for row in of(told.rows, name)} for name in ("spend", "failing")}
    assert {name: len(ids) for name, ids in firings.items()} == {"spend": 1, "failing": 1}
    assert len(of(told.rows, "failing", "resolved")) == 0
