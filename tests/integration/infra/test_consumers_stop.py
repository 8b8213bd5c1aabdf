"""Consumers and producers can be stopped whatever their broker does, and are where they cannot start."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from infra.broker.interface import Broker
from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.kafka import consumer, producer
from infra.runtime.settings import load_settings
from producers.sdk import link as sdk_link
from producers.sdk.config import ReporterConfig


async def test_to_stop_while_the_broker_is_away_cancels_nobody(broker_factory: Callable[[str], Broker]) -> None:
    broker = broker_factory("tansu")
    await provision(broker.bootstrap, plan_topics(load_settings(partitions=2)))
    readers = [consumer(broker.bootstrap, "fleet.status", fetch_max_wait_ms=20) for _ in range(4)]
    for reader in readers:
        await reader.start()
    broker.kill()
    for reader in readers:
        # Fetches fail at once and pause for 0.1 s; the moments at which they are stopped are spread over that.
        await reader.getmany(timeout_ms=130)
        await reader.stop()
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


def _sending(bootstrap: str) -> Any:  # noqa: ANN401  # aiokafka ships no usable types
    return producer(bootstrap, idempotent=False)


@pytest.mark.parametrize("make", [_sending, consumer])
async def test_who_cannot_start_is_closed(make: Callable[[str], Any]) -> None:
    """Else whoever tried again would gather connections, which nobody has any more who could close them."""
    nobody = make("127.0.0.1:1")
    with pytest.raises(KafkaConnectionError):
        await nobody.start()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hung = make(f"127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await hung.start()
    assert (nobody._closed, hung._closed) == (True, True)


async def test_a_link_that_ends_while_it_drops_its_producer_closes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    entered = asyncio.Event()

    async def wait_for_ever(_: object) -> None:
        entered.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(sdk_link, "_end", wait_for_ever)
    link = sdk_link.BrokerLink(ReporterConfig(agent_id="a", user_id="t", bootstrap="127.0.0.1:1"))
    old = link._producer = _sending("127.0.0.1:1")
    dropping = asyncio.create_task(link._discard())
    await entered.wait()
    dropping.cancel()
    await asyncio.wait({dropping})
    assert dropping.cancelled()
    assert old._closed
