"""Offsets of the pipeline over a real broker: there for who comes, and of after they came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from web_world import until

from infra.access.topic import write
from infra.broker.interface import Broker
from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.clock import ManualClock
from infra.runtime.settings import load_settings
from sinks.api.pipeline import flow as flows
from sinks.api.pipeline.flow import IDLE_S, Flow


async def test_who_comes_after_a_rest_finds_a_history_and_what_was_published_since(
    broker_factory: Callable[[str], Broker], monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap = broker_factory("tansu").bootstrap
    await provision(bootstrap, plan_topics(load_settings(partitions=2)))
    monkeypatch.setattr(flows, "FIRST_WITHIN_S", 60.0)
    monkeypatch.setattr(flows, "REST_S", 3_600.0)
    clock = ManualClock(1_800_000_000.0)
    flow = Flow(bootstrap, clock)
    reading = asyncio.create_task(flow.run())
    try:
        await until(lambda: len(flow.points) >= 1, 60)  # nobody has looked yet
        for published in (1, 2):
            clock.advance(IDLE_S + 1)
            await write(bootstrap, {"bot": b"{}"}, "fleet.logs")
            await flow.look()
            assert flow.offsets is not None
            assert (flow.trouble, flow.offsets.total("fleet.logs")) == ("", published)
        assert len(flow.points) >= 3
        clock.advance(1.0)  # readings of one moment, as there may be by now, have no rate
        await until(lambda: "fleet.logs" in flow.rates(), 60)
    finally:
        reading.cancel()
        await asyncio.wait([reading])
