"""Rules from events to alerts, through a worker and the alert manager, by the default pack and some more."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from rules_processes import alerts, fleet, judged, of

from infra.broker.interface import Broker

MORE = """
  - {name: hosts_hot, kind: threshold, of: hosts, metric: "*_usage", above: 97}
  - {name: rack_hot, kind: threshold, of: hosts, metric: "custom:*_celsius", above: 80}
  - {name: backlog, kind: threshold, metric: "custom:queue", above: 100}
  - {name: queue_gone, kind: absence, metric: "custom:queue", after: 2s}
  - {name: breaches, kind: fleet, of: tenant, measure: violations_per_hour, above: 5, least: 1}
"""
AGENTS = tuple(f"agent-{number}" for number in range(10))


def default_pack(more: str = "") -> str:
    """The pack that comes with the program, without its waiting."""
    text = files("streams.rules").joinpath("default.yaml").read_text()
    return re.sub(r"for: \d+[smh]", "for: 1s", text).replace("\nrules:\n", "\nrules:\n" + more, 1)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_the_fleet_hosts_patterns_and_custom_metrics(
    broker_factory: Callable[[str], Broker], tmp_path: Path
) -> None:
    bootstrap = broker_factory("tansu").bootstrap
    async with (
        judged(bootstrap, tmp_path, default_pack(MORE)),
        fleet(bootstrap) as agents,
        alerts(bootstrap) as told,
    ):
        await agents.beat(*AGENTS)
        for agent in AGENTS:
            await agents.metrics(agent, compliance_rate=1.0, policy_checks=50)
        await agents.metrics(AGENTS[0], custom={"queue": 500.0})
        await agents.send("fleet.hosts", "host:h1", host="h1", cpu_usage=50.0, disk_usage=99.0)
        hot = [{"name": "rack_celsius", "value": 91.0}, {"name": "rack_volts", "value": 230.0}]
        await agents.send("fleet.hosts", "host:h2", host="h2", cpu_usage=5.0, custom=hot)
        assert (await told.fires("backlog"))["agent_id"] == AGENTS[0]
        assert (await told.fires("hosts_hot"))["agent_id"] == "host:h1"
        assert (await told.fires("rack_hot"))["agent_id"] == "host:h2"
        assert (await told.fires("queue_gone"))["name"] == "queue_gone"

        # 90 % and 80 % of the agents online.
        await agents.beat(AGENTS[9], status="failed")
        await agents.beat(AGENTS[8], status="failed")
        first = await told.fires("agent_connectivity")
        assert (first["severity"], first["value"], first["threshold"]) == ("warning", 0.8, 0.9)
        await agents.beat(AGENTS[7], status="failed")
        await told.until(lambda rows: len(of(rows, "agent_connectivity")) == 2)
        worse = of(told.rows, "agent_connectivity")[1]
        assert (worse["severity"], worse["value"], worse["threshold"]) == ("critical", 0.7, 0.8)
        await agents.beat(*AGENTS)
        await told.ends("agent_connectivity")

        # Mean trust below 0.7, below 0.5, and violations an hour.
        for severity in ("warning", "critical"):
            for agent in AGENTS:
                await agents.send("fleet.violations", agent, severity="critical")
            await told.until(lambda rows, s=severity: s in [row["severity"] for row in of(rows, "fleet_trust_low")])
        breach = await told.fires("breaches")
        assert (breach["agent_id"], breach["value"] > 5) == ("tenant:tenant", True)
    severities = [(row["severity"], row["threshold"]) for row in of(told.rows, "fleet_trust_low")]
    assert severities == [("warning", 0.7), ("critical", 0.5)]
