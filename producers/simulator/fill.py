"""Many metrics events as fast as they go: the input of benchmarks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from infra.runtime.clock import Clock
from producers.simulator.config import FleetConfig
from producers.simulator.connect import connected
from producers.simulator.fleet import Fleet
from producers.simulator.live import warm_up
from producers.simulator.rows import MetricRows
from producers.simulator.sender import Sender
from producers.simulator.wire import Wire


def fill_rows(fleet: Fleet, events: int, interval_s: float) -> Iterator[MetricRows]:
    """`events` reports, round after round of all agents, one every `interval_s` of each, up to `start_us`.

    Within a round agents follow each other evenly; sequence numbers count each agent's reports from 0.
    """
    agents = fleet.config.agents
    rounds = -(-events // agents)
    offset_s = (np.arange(agents) + 0.5) / agents * interval_s
    everybody = np.arange(agents)
    jitter = np.random.default_rng(fleet.config.seed)
    for number in range(rounds):
        who = everybody[: min(agents, events - number * agents)]
        at_s = (number - rounds) * interval_s + offset_s[who] + jitter.uniform(0, 0.02 * interval_s, who.size)
        values = fleet.agents.model.report(who, at_s, at_s + rounds * interval_s, interval_s)
        stamps = fleet.config.start_us + np.rint(at_s * 1e6).astype(np.int64)
        yield MetricRows(who, fleet.agents.session_of[who], stamps, np.full(who.size, number, np.int64), values, {})


async def fill(
    config: FleetConfig, bootstrap: str, topic: str, events: int, interval_s: float, clock: Clock
) -> dict[str, float]:
    """Write `events` metrics events; {"events": acknowledged, "seconds": until the last acknowledgement}.

    Raises `BrokerUnreachableError`, `TopicMismatchError`.
    """
    async with connected(bootstrap, [topic]) as (producer, partitions, _):
        warm_up(config)
        fleet = Fleet(replace(config, start_us=round(clock.now_s() * 1e6)))
        wire, sender = Wire(fleet, partitions), Sender(producer)
        began_s = clock.monotonic_s()
        for rows in fill_rows(fleet, events, interval_s):
            await sender.room.wait()
            await asyncio.sleep(0)
            for shipment in wire.ship_metrics(topic, rows):
                sender.submit(shipment)
        await sender.drain(120.0)
        return {"events": sum(sender.acknowledged.values()), "seconds": round(clock.monotonic_s() - began_s, 3)}
