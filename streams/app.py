"""The Faust application: one agent over all source topics, a table whose changelog carries the snapshots, and ticks.

    batch -> decode and apply in a thread -> outputs acknowledged -> batch finished -> (commit: trust, snapshots, offset)

Kafka, groups, rebalances, the changelog and its recovery are Faust's. What a batch means is `streams.pipeline`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import faust
from aiokafka import AIOKafkaProducer
from faust.types import TP

from infra.runtime.clock import Clock, SystemClock
from infra.runtime.kafka import MAX_MESSAGE_BYTES, SESSION_TIMEOUT_MS
from infra.runtime.logs import get_logger
from streams.outputs import Outputs, send
from streams.pipeline import SOURCES, Pipeline, PipelineConfig
from streams.progress import Progress
from streams.state.partition import PartitionState
from streams.transport.batch import Batch
from streams.transport.schema import BatchSchema

APP_ID = "fleetpulse-streams"
TABLE = "state"
_log = get_logger("streams")


class StreamApp(faust.App):  # type: ignore[misc]  # Faust ships no usable types
    """Faust's application with what this one keeps beside it.

    `partitions`: state by partition number, present while the partition is owned and recovered; `settled`: the group has
    been joined and what is owned is recovered.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # Faust's own signature
        super().__init__(*args, **kwargs)
        self.partitions: dict[int, PartitionState] = {}
        self.output_producer: AIOKafkaProducer | None = None
        self.pipeline: Pipeline | None = None
        self.clock: Clock = SystemClock()
        self.progress = Progress()
        self.state_table: Any = None
        self.settled = asyncio.Event()

    async def before_commit(self, offsets: Mapping[TP, int]) -> None:
        """Make durable what the offsets led to: coalesced outputs first, then the snapshots that contain them.

        Raises what the broker answered; the transport crashes the worker then, and another one takes over.
        """
        numbers = sorted({tp.partition for tp in offsets})
        await asyncio.gather(*(self._flush(self.partitions[n]) for n in numbers if n in self.partitions))

    async def _flush(self, state: PartitionState) -> None:
        assert self.pipeline is not None
        async with state.lock:
            outputs = self.pipeline.collect(state, self.clock.now_s())
            snapshots = await asyncio.to_thread(state.take_dirty_snapshots)
        await self.emit(outputs, state.partition)
        for key, raw in snapshots:
            # One at a time: Tansu reports the base offset of the last batch + 1 as the end of a log, so a recovery
            # would leave out all but the first record of a batch.
            await self._write_snapshot(state.partition, key, raw)

    async def _write_snapshot(self, partition: int, key: bytes, raw: bytes) -> None:
        table = self.state_table
        await (
            await table.changelog_topic.send(
                key=key, value=raw, partition=partition, key_serializer="raw", value_serializer="raw"
            )
        )
        table.data.data[key] = raw
        table.data._key_partition[key] = partition  # noqa: SLF001  # the store drops lost partitions by this index

    async def emit(self, outputs: Outputs, partition: int) -> None:
        """Send outputs and wait until the broker has them."""
        if not outputs:
            return
        assert self.output_producer is not None
        self.progress.emitted += await send(self.output_producer, outputs, partition, int(self.clock.now_s() * 1000))

    def fetched(self, tp: TP) -> tuple[int | None, int | None]:
        """Of a partition the end of its log at the last fetch, and when that was (ms since the epoch); None before."""
        return self.consumer.fetched(tp)

    def recover(self) -> None:
        """Build the state of every owned partition from the recovered table; forget the others."""
        owned = {tp.partition for tp in self.consumer.assignment() if tp.topic in SOURCES}
        raws: dict[int, list[bytes]] = {n: [] for n in owned}
        for key, raw in self.state_table.data.data.items():
            number = int(bytes(key).split(b"/")[0])
            if number in raws:
                raws[number].append(raw)
        assert self.pipeline is not None
        self.partitions = {n: self.pipeline.restore(n, raws[n]) for n in sorted(owned)}
        self.settled.set()
        _log.info(
            "partitions recovered",
            partitions=sorted(owned),
            agents=sum(len(s.agents) for s in self.partitions.values()),
        )


async def _process(app: StreamApp, batch: Batch) -> None:
    """Apply one batch, wait for its outputs, and only then call it finished."""
    columns = batch.columns
    state = app.partitions.get(columns.partition)
    if state is None:
        return  # revoked meanwhile: whoever owns the partition now reads the batch again
    assert app.pipeline is not None
    app.progress.begun()
    async with state.lock:
        outputs = await asyncio.to_thread(app.pipeline.apply, state, columns, app.clock.now_s())
    await app.emit(outputs, columns.partition)
    app.progress.processed(columns, app.clock)
    batch.finish()


def build_app(
    bootstrap: str,
    *,
    commit_interval_s: float,
    config: PipelineConfig,
    app_id: str = APP_ID,
) -> StreamApp:
    """The application for a broker at `bootstrap`; nothing is connected before it is started.

    Its changelog is the topic `<app_id>-state-changelog`, which must exist.
    """
    app = StreamApp(
        app_id,
        broker=f"microbatch://{bootstrap.split(',')[0]}",
        store="memory://",
        processing_guarantee="at_least_once",
        autodiscover=False,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=SESSION_TIMEOUT_MS / 1000,
        broker_heartbeat_interval=1.0,
        broker_rebalance_timeout=20.0,
        broker_commit_interval=commit_interval_s,
        broker_max_poll_interval=300.0,
        producer_acks=-1,
        producer_linger=0,
        producer_max_request_size=MAX_MESSAGE_BYTES,
        consumer_max_fetch_size=1024 * 1024,
        stream_buffer_maxsize=2,
        stream_wait_empty=True,
        stream_recovery_delay=0.0,
        producer_threaded=False,
    )
    app.pipeline = Pipeline(config)
    app.state_table = app.Table(TABLE, key_type=bytes, value_type=bytes)
    source = app.topic(*SOURCES, schema=BatchSchema())

    @app.agent(source, name="columns")  # type: ignore[untyped-decorator]  # Faust ships no usable types
    async def columns(stream: Any) -> None:  # noqa: ANN401  # Faust's own type
        try:
            async for batch in stream:
                await _process(app, batch)
        except Exception as error:
            # Faust would start the agent again and leave the batch behind: alive, and never able to commit.
            await app.crash(error)
            raise

    @app.on_partitions_revoked.connect  # type: ignore[untyped-decorator]
    async def forget(_app: Any, revoked: set[TP], **_: Any) -> None:  # noqa: ANN401
        for number in {tp.partition for tp in revoked}:
            app.partitions.pop(number, None)

    @app.state_table.on_recover  # type: ignore[untyped-decorator]
    async def recovered() -> None:
        app.recover()

    return app
