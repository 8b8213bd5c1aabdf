"""What a flush writes to the changelog when a batch of it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError
from faust.types import TP
from stream_world import NOW_S, columns, create_topics, event, pipeline, read_topics

from infra.broker.interface import Broker
from schemas.catalogue import STREAMS_CHANGELOG
from streams.app import build_app
from streams.pipeline import PipelineConfig
from streams.state.epochs import ChangelogKeys, newest

METRICS = "fleet.metrics"


class FirstExpires(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka ships no usable types
    """A producer whose first batch of the changelog expires, while what is sent after it is acknowledged."""

    lost = False

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> asyncio.Future[Any]:  # noqa: ANN401  # aiokafka ships no usable types
        if self.lost or topic != STREAMS_CHANGELOG:
            sent: asyncio.Future[Any] = await super().send_batch(batch, topic, partition=partition)
            return sent
        self.lost = True
        expired: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        expired.set_exception(KafkaTimeoutError())
        return expired


async def kept(bootstrap: str) -> dict[bytes, bytes]:
    """What the changelog's first partition holds, by key."""
    records = (await read_topics(bootstrap, STREAMS_CHANGELOG))[STREAMS_CHANGELOG, 0]
    latest = {record.key: record.value for record in records}
    return {key: raw for key, raw in latest.items() if raw is not None}


async def test_no_snapshot_is_deleted_before_its_successor_is_acknowledged(
    broker_factory: Callable[[str], Broker],
) -> None:
    bootstrap = broker_factory("tansu").bootstrap
    await create_topics(bootstrap)
    line = pipeline()
    state = line.restore(0)
    values = [event(METRICS, f"a{n}", NOW_S, compliance_rate=0.5, policy_checks=4) for n in range(20)]
    line.apply(state, columns(METRICS, values), NOW_S)
    dirty = state.dirty.copy()
    before = dict(state.take_dirty_snapshots())

    app = build_app(bootstrap, commit_interval_s=60.0, config=PipelineConfig())
    app.output_producer = FirstExpires(bootstrap_servers=bootstrap, max_batch_size=1)  # a record a batch
    await app.output_producer.start()
    try:
        for key, raw in before.items():  # as an older program wrote them
            await app.output_producer.send_and_wait(STREAMS_CHANGELOG, raw, key=key, partition=0)
        state.keys = ChangelogKeys.taken_over(before, generation=1)
        state.dirty = dirty
        app.partitions[0] = state
        with pytest.raises(KafkaTimeoutError):
            await app.before_commit({TP(METRICS, 0): len(values)})
    finally:
        await app.output_producer.stop()
    assert app.output_producer.lost
    assert newest(await kept(bootstrap)).keys() == before.keys()
