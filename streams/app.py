"""The Faust application: one agent over all source topics, a table whose changelog carries the snapshots, and ticks.

    batch -> decode, apply in a thread -> outputs acknowledged -> batch finished -> (commit: trust, snapshots, offset)

Kafka, groups, rebalances, the changelog and its recovery are Faust's. What a batch means is `streams.pipeline`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import faust
from aiokafka import AIOKafkaProducer
from faust.types import TP

from infra.runtime.batch_send import send_records
from infra.runtime.clock import Clock, SystemClock
from infra.runtime.columnar_fetch import RecordColumns
from infra.runtime.crash import crash_point
from infra.runtime.errors import FleetpulseError
from infra.runtime.kafka import MAX_MESSAGE_BYTES, SESSION_TIMEOUT_MS
from infra.runtime.logs import get_logger
from infra.runtime.settings import load_settings
from schemas.columnar import DecodedBatch
from streams.outputs import Outputs, send
from streams.pipeline import SOURCES, Pipeline, PipelineConfig
from streams.progress import Progress
from streams.state.epochs import ChangelogKeys, Record, newest, place_of
from streams.state.partition import PartitionState
from streams.state.snapshot import SnapshotFormatError
from streams.transport.batch import Batch
from streams.transport.schema import BatchSchema

APP_ID = "fleetpulse-streams"
TABLE = "state"
_log = get_logger("streams")


class ChangelogError(FleetpulseError):
    """The changelog holds a record that is not a snapshot of ours."""


class StreamApp(faust.App):  # type: ignore[misc]  # Faust ships no usable types
    """Faust's application with what this one keeps beside it.

    `partitions`: state by partition number, present while the partition is owned and recovered; `settled`: the group
    has been joined and what is owned is recovered. `snapshots_one_by_one`: for a broker (Tansu) that reports the base
    offset of the last batch + 1 as the end of a log, so that a recovery would leave out all but the first of a batch.
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
        self.unable: FleetpulseError | None = None
        self.gave_up = asyncio.Event()
        self.snapshots_one_by_one = False
        self._decoder = ThreadPoolExecutor(1, thread_name_prefix="decode")

    def _create_directories(self) -> None:
        """Faust's data folder is not made: nothing is kept on this machine."""

    def give_up(self, reason: FleetpulseError) -> None:
        """A person has to mend something first; the worker stops and says so."""
        self.unable = reason
        self.gave_up.set()

    def begin_ahead(self, columns: RecordColumns) -> Future[DecodedBatch]:
        """Begin to decode a batch that has just been fetched, beside what is done with earlier ones."""
        assert self.pipeline is not None
        return self._decoder.submit(self.pipeline.decode, columns)

    async def before_commit(self, offsets: Mapping[TP, int]) -> Mapping[TP, int]:
        """Make durable what the offsets led to: coalesced outputs first, then the snapshots that contain them.

        Returns the offsets that may be committed now: not those of a partition whose state is gone, because nobody has
        written what they led to. Raises what the broker answered; the transport crashes the worker then.
        """
        states = [self.partitions[n] for n in sorted({tp.partition for tp in offsets}) if n in self.partitions]
        # One after the other: while one is written, batches of the others are applied.
        durable = {state.partition for state in states if await self._flush(state)}
        return {tp: offset for tp, offset in offsets.items() if tp.partition in durable}

    async def _flush(self, state: PartitionState) -> bool:
        """Write what is dirty; False when the state was given up before its turn came."""
        assert self.pipeline is not None
        dirty = state.dirty.copy()
        try:
            async with self.changing(state):
                if self.partitions.get(state.partition) is not state:
                    return False
                self.send(state, self.pipeline.collect(state, self.clock.now_s()))
                sent = state.sent
                dirty = state.dirty.copy()
                snapshots = await asyncio.to_thread(state.take_dirty_snapshots)
            # A snapshot says that a batch is done: all that followed from it must be there before.
            if sent is not None:
                await asyncio.shield(sent)
            crash_point("before_snapshots")
            for records in state.keys.records(snapshots):
                await self._write_snapshots(state, records)
        except BaseException:
            state.dirty |= dirty  # a commit that was cancelled is followed by another
            raise
        crash_point("before_commit")
        return True

    @contextlib.asynccontextmanager
    async def changing(self, state: PartitionState) -> AsyncIterator[None]:
        """Hold the state of a partition alone while it changes; what is left half changed is forgotten, not written."""
        async with state.lock:
            try:
                yield
            except BaseException:
                if self.partitions.get(state.partition) is state:
                    del self.partitions[state.partition]
                raise

    async def _write_snapshots(self, state: PartitionState, records: Sequence[Record]) -> None:
        """To the changelog, and wait until all is acknowledged."""
        if not self.snapshots_one_by_one:
            await self._write_batches(state, records)
            return
        for one in records:
            await self._write_batches(state, [one])
            crash_point("between_snapshots")

    async def _write_batches(self, state: PartitionState, records: Sequence[Record]) -> None:
        """In as few batches as fit: sent by Faust, each record is a message of its own, 1 ms of the loop."""
        assert self.output_producer is not None
        table, now_ms = self.state_table, int(self.clock.now_s() * 1000)
        topic = table.changelog_topic.get_topic_name()
        await send_records(self.output_producer, topic, [(state.partition, key, raw, now_ms) for key, raw in records])
        for key, raw in records:
            state.keys.wrote(key, raw)
            if raw is None:
                table.data.data.pop(key, None)
                table.data._key_partition.pop(key, None)
            else:
                table.data.data[key] = raw
                table.data._key_partition[key] = state.partition  # the store drops lost partitions by this index

    def send(self, state: PartitionState, outputs: Outputs) -> asyncio.Future[None] | None:
        """Send outputs after all that the partition sent before; the caller holds the state, and awaits the answer.

        In order, so that no alert is resolved before it fires; None when there is nothing to send. The answer raises
        what the broker said to these outputs or to any before them.
        """
        if not outputs:
            return None
        state.sent = asyncio.ensure_future(self._send_after(state.sent, outputs, state.partition))
        return state.sent

    async def _send_after(self, before: asyncio.Future[None] | None, outputs: Outputs, partition: int) -> None:
        if before is not None:
            await before
        assert self.output_producer is not None
        self.progress.emitted += await send(self.output_producer, outputs, partition, int(self.clock.now_s() * 1000))

    def fetched(self, tp: TP) -> tuple[int | None, int | None]:
        """Of a partition the end of its log at the last fetch, and when that was (ms since the epoch); None before."""
        found: tuple[int | None, int | None] = self.consumer.fetched(tp)
        return found

    def recover(self) -> None:
        """Build the state of every owned partition from the recovered table; forget the others.

        Raises `ChangelogError`.
        """
        owned = {tp.partition for tp in self.consumer.assignment() if tp.topic in SOURCES}
        raws: dict[int, dict[bytes, bytes]] = {n: {} for n in owned}
        for key, raw in self.state_table.data.data.items():
            if (number := _partition_of(key)) in raws and raw:
                raws[number][key] = raw
        self.partitions = {n: self._restore(n, raws[n]) for n in sorted(owned)}
        self.settled.set()
        _log.info(
            "partitions recovered",
            partitions=sorted(owned),
            agents=sum(len(s.agents) for s in self.partitions.values()),
        )

    def _restore(self, partition: int, raws: Mapping[bytes, bytes]) -> PartitionState:
        assert self.pipeline is not None
        try:
            state = self.pipeline.restore(partition, newest(raws).values())
        except SnapshotFormatError as error:
            raise _bad_changelog(f"partition {partition} has a record that is no snapshot, {error}") from error
        state.keys = ChangelogKeys.taken_over(raws, self.consumer_generation_id)
        return state

    def forget(self, numbers: set[int]) -> None:
        """Partitions that somebody else may own now."""
        for number in numbers:
            self.partitions.pop(number, None)
        self.progress.forget(numbers)


def _bad_changelog(problem: str) -> ChangelogError:
    return ChangelogError(
        f"changelog of the stream workers: {problem}",
        way_out="Run the program that wrote it, or delete the changelog topic and the group's offsets to begin anew",
    )


def _partition_of(key: object) -> int:
    """The partition in a snapshot's key. Raises `ChangelogError`."""
    try:
        return place_of(key).partition
    except (TypeError, ValueError) as error:
        raise _bad_changelog(f"a record has the key {key!r}, which is not PARTITION/BUCKET/EPOCH") from error


async def _process(app: StreamApp, batch: Batch) -> None:
    """Apply one batch, wait for its outputs, and only then call it finished."""
    columns = batch.columns
    state = app.partitions.get(columns.partition)
    if state is None or batch.abandoned:
        return  # revoked meanwhile: whoever owns the partition now reads the batch again
    assert app.pipeline is not None
    app.progress.begun()
    async with app.changing(state):
        crash_point("before_apply")
        decoded = await asyncio.wrap_future(batch.ahead) if batch.ahead is not None else None
        outputs = await asyncio.to_thread(app.pipeline.apply, state, columns, app.clock.now_s(), decoded)
        sent = app.send(state, outputs)
    if sent is not None:
        await asyncio.shield(sent)
    crash_point("before_finish")
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
        broker=f"microbatch://{bootstrap.split(',', maxsplit=1)[0]}",
        store="memory://",
        datadir=str(load_settings().data_dir / "faust"),  # else Faust makes a folder where it was started
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
        stream_buffer_maxsize=4,
        stream_wait_empty=True,
        stream_recovery_delay=0.0,
        # A standby would be fetched all the time beside the sources, one record a message, and costs its memory twice.
        table_standby_replicas=0,
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

    @app.on_partitions_revoked.connect  # type: ignore[untyped-decorator]  # Faust ships no usable types
    async def forget(_app: Any, revoked: set[TP], **_: Any) -> None:  # noqa: ANN401  # Faust's own type
        app.forget({tp.partition for tp in revoked})

    @app.state_table.on_recover  # type: ignore[untyped-decorator]  # Faust ships no usable types
    async def recovered() -> None:
        # Faust looks at no exception of this callback: the worker would stay, own partitions and do nothing.
        try:
            app.recover()
        except ChangelogError as error:
            app.give_up(error)
        except Exception as error:
            await app.crash(error)
            raise

    return app
