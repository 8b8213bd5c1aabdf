"""The lake writer as a process: records in, files out, offsets committed behind them.

One round of the flusher, for every partition whose buffer is due:
1. decode, judge duplicates, write temporary files (in threads);
2. send dead letters and await their acknowledgement;
3. commit the offsets that are durable already: a member that has lost its partitions learns it here, before
4. the files get their final names. The next round, or an idle tick, commits what this one made durable.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from aiokafka import ConsumerRebalanceListener
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from infra.runtime.clock import Clock, SystemClock
from infra.runtime.columnar_fetch import RecordColumns, fetch_columns
from infra.runtime.errors import FleetpulseError, TopicMismatchError
from infra.runtime.kafka import (
    AIOKafkaConsumer,
    AIOKafkaProducer,
    TopicPartition,
    consumer,
    producer,
    supports_idempotence,
    unreachable,
)
from infra.runtime.lifecycle import CleanUps
from infra.runtime.logs import get_logger
from infra.runtime.memory import calm_garbage_collector
from schemas.catalogue import TOPICS
from schemas.registry import SchemaBook
from sinks.lake import dead_letters
from sinks.lake.crash import crash_point
from sinks.lake.recovery import Recovered, recover
from sinks.lake.storage import open_lake
from sinks.lake.upkeep import Upkeep
from sinks.lake.writer import PartitionWriter, Prepared

_log = get_logger("lake.service")
_VERIFY_WITHIN_S = 5.0
_RETRY_FIRST_S, _RETRY_MOST_S = 0.5, 30.0
_FENCE_WITHIN_S = 10.0
_FETCH_WAIT_S = 0.2
_CLOSE_WITHIN_S = 10.0
_FETCH_RECORDS = 20_000


@dataclass(frozen=True)
class LakeOptions:
    """What the command line sets.

    A partition's buffer is written after `flush_interval_s`, the sooner the fuller it is: at once from `flush_rows`
    rows or `flush_bytes` on. While a round is at work buffers grow past that, up to `buffer_bytes` over all partitions.
    """

    lake: Path
    bootstrap: str
    group: str = "fleetpulse-lake"
    topics: tuple[str, ...] = tuple(TOPICS)
    flush_interval_s: float = 1.0
    flush_rows: int = 10_000
    flush_bytes: int = 32 * 1024 * 1024
    buffer_bytes: int = 256 * 1024 * 1024
    checkpoint_interval_s: float = 30.0
    progress_interval_s: float = 10.0
    compact: bool = True
    threads: int = 2


@dataclass
class _Owned:
    """An assigned partition: its writer, and what is fetched but not durable.

    `verified`: the record before the position was seen, so the broker's log is the one that the lake knows.
    """

    writer: PartitionWriter
    verified: bool
    assigned_s: float
    fetched_through: int
    buffer: list[RecordColumns] = field(default_factory=list)
    sizes_bytes: list[int] = field(default_factory=list)
    rows: int = 0
    bytes: int = 0
    since_s: float = 0.0
    committed: int = -1

    def take(self, columns: RecordColumns, now_s: float) -> None:
        """Buffer fetched records."""
        if not self.buffer:
            self.since_s = now_s
        self.buffer.append(columns)
        self.rows += len(columns)
        self.sizes_bytes.append(sum(map(len, filter(None, columns.values))))
        self.bytes += self.sizes_bytes[-1]
        self.fetched_through = columns.next_offset

    def release(self, count: int) -> None:
        """Let go of the first `count` fetches, which are durable."""
        gone = self.buffer[:count]
        del self.buffer[:count]
        self.rows -= sum(map(len, gone))
        self.bytes -= sum(self.sizes_bytes[:count])
        del self.sizes_bytes[:count]


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """Hands assignments to the service. aiokafka swallows what a listener raises, so nothing here can raise."""

    def __init__(self, service: LakeService) -> None:
        self._service = service

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        del revoked
        await self._service.give_up_all()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._service.expect(set(assigned))


class LakeService:
    """Writes the topics of a broker into a lake, with any number of its kind beside it."""

    def __init__(self, options: LakeOptions, clock: Clock | None = None) -> None:
        self.options = options
        self._clock = clock or SystemClock()
        self._owned: dict[TopicPartition, _Owned] = {}
        self._expected: set[TopicPartition] | None = None
        self._assignment_changed = asyncio.Event()
        self._flush_wanted = asyncio.Event()
        self._room = asyncio.Event()
        self._writing = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._round_ended = asyncio.Event()
        self._cluster_id = ""
        self._books = {name: SchemaBook(TOPICS[name].schema) for name in options.topics}
        self._pool = ThreadPoolExecutor(options.threads, thread_name_prefix="lake-write")
        self._totals: dict[str, int] = {}
        self._retry_s = 0.0
        self._checkpoint_at_s = 0.0
        self._last_error = ""
        self._dead_letter_producer: AIOKafkaProducer | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._upkeep = Upkeep(options.lake)
        self.latency_s = 0.0
        """How long the last round took from its oldest record's fetch to its files' names."""
        self.rounds = 0
        """Rounds that made files durable."""
        self.idle_turns = 0
        """Turns of the flusher that found all that the broker has durable already."""

    # --- life -------------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event, on_ready: Callable[[int], None]) -> None:
        """Write until `stop` is set, then flush, commit and leave. `on_ready` hears the number of partitions, once.

        Raises `LakeError`, `BrokerUnreachableError`, `TopicMismatchError` at the start.
        """
        calm_garbage_collector()
        open_lake(self.options.lake)
        await self._start_consumer()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pump(on_ready))
                tasks.create_task(self._flush_forever())
                beside = [tasks.create_task(self._report_progress())]
                if self.options.compact:
                    beside.append(tasks.create_task(self._upkeep.run()))
                await stop.wait()
                # The pump and the flusher end between two rounds, not within one: threads may be writing.
                self._stopping.set()
                self._flush_wanted.set()
                self._assignment_changed.set()
                self._upkeep.stop()
                for task in beside:
                    task.cancel()
            await self._finish()
        except* FleetpulseError as errors:
            raise _first(errors) from None
        finally:
            await self._close()

    async def _start_consumer(self) -> None:
        self._consumer = consumer(self.options.bootstrap, group_id=self.options.group)
        try:
            async with asyncio.timeout(15):
                await self._consumer.start()
            there = await self._consumer.topics()
        except (KafkaError, OSError, TimeoutError) as error:
            await self._consumer.stop()
            raise unreachable(self.options.bootstrap) from error
        missing = sorted(set(self.options.topics) - there)
        if missing:
            await self._consumer.stop()
            raise TopicMismatchError(
                f"the broker at {self.options.bootstrap} has no topic {', '.join(missing)}",
                setting="--topics",
                way_out="Create them with `fleetpulse topics create`",
            )
        self._cluster_id = await _cluster_id(self._consumer)
        self._consumer.subscribe(list(self.options.topics), listener=_Rebalance(self))

    async def _finish(self) -> None:
        """Write what is buffered, keep hints, commit; what fails here is read again by the next owner."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(20):
                try:
                    await self._round(self._due(everything=True))
                    for owned in self._owned.values():
                        await asyncio.to_thread(owned.writer.checkpoint, self._clock.now_s())
                    await self._fence(self._owned)
                except (OSError, KafkaError) as error:
                    _log.warning("the last flush failed, its records are read again", error=repr(error))

    async def _close(self) -> None:
        clean_ups = CleanUps()
        clean_ups.add("threads", partial(asyncio.to_thread, self._pool.shutdown))
        if self._consumer is not None:
            clean_ups.add("consumer", self._consumer.stop)
        if self._dead_letter_producer is not None:
            clean_ups.add("dead letter producer", self._dead_letter_producer.stop)
        try:
            await clean_ups.run(_CLOSE_WITHIN_S)
        except* (KafkaError, TimeoutError) as errors:
            # With the broker away nobody can be told goodbye; what is durable is durable.
            _log.warning("left without a goodbye", errors=[repr(error) for error in errors.exceptions])

    # --- assignment -------------------------------------------------------------------------------------------------

    async def give_up_all(self) -> None:
        """Drop every buffer; a round that is naming files ends first."""
        async with self._writing:
            self._drop_all()

    def _drop_all(self) -> None:
        for owned in self._owned.values():
            for name, value in vars(owned.writer.counts).items():
                self._totals[name] = self._totals.get(name, 0) + value
        self._owned.clear()
        self._room.set()

    async def _recover_all(self, error: Exception) -> None:
        """What is fetched cannot be placed: begin again from the files."""
        await self.give_up_all()
        await self._wait_after(error, "position")
        self._assignment_changed.set()

    def expect(self, assigned: set[TopicPartition]) -> None:
        """Partitions to take over; they stay paused until their files are in order."""
        self._expected = assigned
        if assigned and self._consumer is not None:
            self._consumer.pause(*assigned)
        self._assignment_changed.set()

    async def _take_over(self) -> None:
        """Recover every expected partition and fetch from the record before its position."""
        expected = self._expected
        assert self._consumer is not None
        assert expected is not None
        self._assignment_changed.clear()
        for tp in sorted(expected):
            try:
                recovered = await self._recover(tp)
            except (OSError, KafkaError) as error:
                await self._wait_after(error, "recovery")
                self._assignment_changed.set()
                return
            if self._assignment_changed.is_set():
                return  # Reassigned meanwhile; the next call begins anew.
            self._adopt(tp, PartitionWriter.of(self.options.lake, self._books[tp.topic], recovered))
        self._retry_s = 0.0
        _log.info("partitions assigned", partitions=len(expected))

    async def _recover(self, tp: TopicPartition) -> Recovered:
        assert self._consumer is not None
        committed = await self._consumer.committed(tp)
        return await asyncio.to_thread(
            recover, self.options.lake, tp.topic, tp.partition, committed=committed, cluster_id=self._cluster_id
        )

    def _adopt(self, tp: TopicPartition, writer: PartitionWriter) -> None:
        assert self._consumer is not None
        position = writer.position.next_offset
        start = max(0, position - 1)
        try:
            self._consumer.seek(tp, start)
            self._consumer.resume(tp)
        except IllegalStateError:
            return  # Revoked; the listener has been or will be called.
        self._owned[tp] = _Owned(
            writer, verified=position == 0, assigned_s=self._clock.monotonic_s(), fetched_through=start
        )

    # --- reading ----------------------------------------------------------------------------------------------------

    async def _pump(self, on_ready: Callable[[int], None]) -> None:
        ready = False
        await self._assignment_changed.wait()
        while not self._stopping.is_set():
            if self._assignment_changed.is_set():
                await self._take_over()
                if not ready and not self._assignment_changed.is_set():
                    on_ready(len(self._owned))
                    ready = True
                continue
            await self._wait_for_room()
            if not self._owned:
                await self._assignment_or(1.0)
                continue
            await self._fetch()

    async def _assignment_or(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._assignment_changed.wait()

    async def _fetch(self) -> None:
        assert self._consumer is not None
        try:
            fetched = await fetch_columns(
                self._consumer, list(self._owned), timeout_s=_FETCH_WAIT_S, max_records=_FETCH_RECORDS
            )
        except KafkaError as error:
            await self._wait_after(error, "fetch")
            return
        now_s = self._clock.monotonic_s()
        try:
            for tp, columns in fetched.items():
                owned = self._owned.get(tp)
                if owned is not None and await self._belongs(tp, owned, columns):
                    owned.take(columns, now_s)
            for tp, owned in list(self._owned.items()):
                if not owned.verified and now_s - owned.assigned_s > _VERIFY_WITHIN_S:
                    await self._verify_silence(tp, owned)
        except (OSError, KafkaError) as error:
            await self._recover_all(error)
            return
        if self._is_full() or any(o.buffer and self._due_at_s(o) <= now_s for o in self._owned.values()):
            self._flush_wanted.set()

    async def _belongs(self, tp: TopicPartition, owned: _Owned, columns: RecordColumns) -> bool:
        """Whether records go on where the lake ends; if they are of another log, a new epoch begins."""
        position = owned.writer.position
        if columns.first_offset < owned.fetched_through:
            await self._begin_epoch(tp, owned, "the stored offset is beyond the end of the log")
            return False
        if owned.verified:
            return True
        if columns.first_offset == position.next_offset - 1:
            known_ms = position.last_timestamp_ms
            if known_ms is not None and columns.timestamps_ms[0] != known_ms:
                await self._begin_epoch(tp, owned, "the record before the stored offset is another")
                return False
        elif columns.first_offset > position.next_offset and not TOPICS[tp.topic].compacted:
            owned.writer.skip_gap(columns.first_offset)
        owned.verified = True
        return columns.last_offset >= position.next_offset

    async def _verify_silence(self, tp: TopicPartition, owned: _Owned) -> None:
        """The record before the position does not come: the log is shorter than the lake, or its records are gone.

        Tansu answers nothing at all past the end, Kafka sends the consumer to the beginning.
        """
        assert self._consumer is not None
        end = (await self._consumer.end_offsets([tp]))[tp]
        if self._owned.get(tp) is not owned or owned.verified:
            return
        if end < owned.writer.position.next_offset:
            await self._begin_epoch(tp, owned, f"the log ends at {end}")
        else:
            owned.verified = True

    async def _begin_epoch(self, tp: TopicPartition, owned: _Owned, why: str) -> None:
        assert self._consumer is not None
        async with self._writing:
            if self._owned.get(tp) is not owned:
                return
            await asyncio.to_thread(owned.writer.begin_epoch, why)
            owned.release(len(owned.buffer))
            owned.fetched_through, owned.verified, owned.committed = 0, True, -1
            self._consumer.seek(tp, 0)

    def _is_full(self) -> bool:
        return sum(owned.bytes for owned in self._owned.values()) >= self.options.buffer_bytes

    async def _wait_for_room(self) -> None:
        """Fetch nothing while the buffer is full; the group's heartbeat goes on by itself."""
        while self._is_full() and not self._assignment_changed.is_set() and not self._stopping.is_set():
            self._room.clear()
            self._flush_wanted.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._room.wait()

    # --- writing ----------------------------------------------------------------------------------------------------

    async def _flush_forever(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._until_due_s()):
                    await self._flush_wanted.wait()
            self._flush_wanted.clear()
            try:
                due = self._due()
                if due:
                    await self._round(due)
                elif self._uncommitted():
                    await self._fence(self._uncommitted())
                await self._checkpoint_some()
                self._retry_s = 0.0
                self.idle_turns += self.lag() == 0
            except CommitFailedError:
                _log.warning("this member has lost its partitions, their buffers are dropped")
                await self._assignment_or(1.0)
            except (OSError, KafkaError, TimeoutError) as error:
                await self._wait_after(error, "flush")

    def _due_at_s(self, owned: _Owned) -> float:
        """When a buffer is due: after an interval, shorter in the measure in which it is full."""
        fill = max(owned.rows / self.options.flush_rows, owned.bytes / self.options.flush_bytes)
        return owned.since_s + self.options.flush_interval_s * max(0.0, 1.0 - fill)

    def _until_due_s(self) -> float:
        """Until the next buffer is due; a quarter of an interval at most, so that new buffers are seen in time."""
        most_s = self.options.flush_interval_s / 4
        due_at_s = min((self._due_at_s(o) for o in self._owned.values() if o.buffer), default=None)
        return most_s if due_at_s is None else min(max(0.0, due_at_s - self._clock.monotonic_s()), most_s)

    def _due(self, *, everything: bool = False) -> dict[TopicPartition, _Owned]:
        """Partitions to flush: once one is due, all that will be within half an interval go with it."""
        buffered = {tp: owned for tp, owned in self._owned.items() if owned.buffer}
        now_s = self._clock.monotonic_s()
        if everything or self._is_full():
            return buffered
        if all(self._due_at_s(owned) > now_s for owned in buffered.values()):
            return {}
        soon_s = now_s + self.options.flush_interval_s / 2
        return {tp: owned for tp, owned in buffered.items() if self._due_at_s(owned) <= soon_s}

    async def _round(self, due: dict[TopicPartition, _Owned]) -> None:
        """One round; see the module. Raises `OSError`, `KafkaError`, `TimeoutError`; buffers are kept then."""
        if not due:
            return
        loop = asyncio.get_running_loop()
        counts = {tp: len(owned.buffer) for tp, owned in due.items()}
        async with self._writing:
            due = {tp: owned for tp, owned in due.items() if self._owned.get(tp) is owned}
            started_s = min((owned.since_s for owned in due.values()), default=0.0)
            jobs = [
                loop.run_in_executor(self._pool, owned.writer.prepare, owned.buffer[: counts[tp]], self._clock.now_s())
                for tp, owned in due.items()
            ]
            outcomes = await asyncio.gather(*jobs, return_exceptions=True)
            prepared = {tp: p for tp, p in zip(due, outcomes, strict=True) if isinstance(p, Prepared)}
            try:
                for outcome in outcomes:
                    if isinstance(outcome, BaseException):
                        raise outcome
                await self._send_dead_letters(prepared.values())
                await self._fence(due)
                await self._publish_or_recover(due, prepared)
            finally:
                for p in prepared.values():
                    p.discard()
            for tp, owned in due.items():
                owned.release(counts[tp])
                owned.since_s = self._clock.monotonic_s()
            self.latency_s = self._clock.monotonic_s() - started_s
        self.rounds += 1
        self._room.set()
        self._round_ended.set()
        self._round_ended = asyncio.Event()

    async def round_ended(self) -> None:
        """Wait until a round has made its files durable."""
        await self._round_ended.wait()

    async def _publish_or_recover(
        self, due: dict[TopicPartition, _Owned], prepared: dict[TopicPartition, Prepared]
    ) -> None:
        """Name the files; when that fails half-way, have every partition recovered, which removes what is torn."""
        try:
            await asyncio.to_thread(self._publish, due, prepared)
        except OSError:
            self._drop_all()
            self._assignment_changed.set()
            raise

    def _publish(self, due: dict[TopicPartition, _Owned], prepared: dict[TopicPartition, Prepared]) -> None:
        for tp, group in prepared.items():
            due[tp].writer.announce(group)
        crash_point("before_rename")
        for tp, group in prepared.items():
            due[tp].writer.publish(group)
        crash_point("after_rename")

    async def _fence(self, partitions: dict[TopicPartition, _Owned]) -> None:
        """Commit what is durable. Raises `CommitFailedError` when this member no longer owns its partitions."""
        assert self._consumer is not None
        offsets = {tp: owned.writer.position.next_offset for tp, owned in partitions.items()}
        if not offsets:
            return
        async with asyncio.timeout(_FENCE_WITHIN_S):
            try:
                await self._consumer.commit(offsets)
            except IllegalStateError as error:
                raise CommitFailedError("not assigned any more") from error
        for tp, offset in offsets.items():
            partitions[tp].committed = offset

    def _uncommitted(self) -> dict[TopicPartition, _Owned]:
        return {tp: o for tp, o in self._owned.items() if o.writer.position.next_offset not in {0, o.committed}}

    async def _send_dead_letters(self, prepared: Iterable[Prepared]) -> None:
        """Publish what could not be accepted and await the acknowledgement; bad dead letters are only told of."""
        letters = []
        for group in prepared:
            if group.letters:
                first = group.letters[0]
                _log.warning(
                    "messages cannot be accepted",
                    topic=first.topic,
                    partition=first.partition,
                    count=len(group.letters),
                    first_offset=first.offset,
                    first_error=first.error,
                    first_detail=first.detail,
                )
            letters += [letter for letter in group.letters if letter.topic != dead_letters.TOPIC]
        if not letters:
            return
        if self._dead_letter_producer is None:
            idempotent = await supports_idempotence(self.options.bootstrap)
            starting = producer(self.options.bootstrap, idempotent=idempotent)
            await starting.start()
            self._dead_letter_producer = starting
        sent = [
            await self._dead_letter_producer.send(dead_letters.TOPIC, value, key=key)
            for key, value in dead_letters.encode(letters)
        ]
        await asyncio.gather(*sent)
        crash_point("after_dead_letters")

    async def _checkpoint_some(self) -> None:
        """Keep the hints of partitions that have moved since the last time, once an interval."""
        now_s = self._clock.monotonic_s()
        if now_s < self._checkpoint_at_s:
            return
        self._checkpoint_at_s = now_s + self.options.checkpoint_interval_s
        async with self._writing:
            for owned in list(self._owned.values()):
                if owned.writer.position.folders:
                    await asyncio.to_thread(owned.writer.checkpoint, self._clock.now_s())

    async def _wait_after(self, error: BaseException, what: str) -> None:
        """Say what failed and wait, longer each time; buffers are kept, and reading stops when they are full."""
        self._retry_s = min(max(_RETRY_FIRST_S, self._retry_s * 2), _RETRY_MOST_S)
        self._last_error = f"{what}: {error!r}"
        _log.error(
            "the lake writer cannot go on and tries again", step=what, error=repr(error), again_in_s=self._retry_s
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._retry_s):
                await self._stopping.wait()

    # --- what it tells ----------------------------------------------------------------------------------------------

    def lag(self) -> int:
        """Records that the broker has, by its last answers, and the lake has not, over the owned partitions."""
        lag = 0
        if self._consumer is None:
            return 0
        for tp, owned in self._owned.items():
            if tp in self._consumer.assignment() and (end := self._consumer.highwater(tp)) is not None:
                lag += max(end - owned.writer.position.next_offset, 0)
        return lag

    @property
    def trouble(self) -> str:
        """What it cannot do now and tries again; empty while all is well."""
        return self._last_error if self._retry_s else ""

    def statistics(self) -> dict[str, float | int | str]:
        """Rows, duplicates, bad messages and files since the start; buffered bytes; the last round's latency."""
        totals = dict(self._totals)
        for owned in self._owned.values():
            for name, value in vars(owned.writer.counts).items():
                totals[name] = totals.get(name, 0) + value
        return {
            **totals,
            "partitions": len(self._owned),
            "buffered_rows": sum(o.rows for o in self._owned.values()),
            "buffered_bytes": sum(o.bytes for o in self._owned.values()),
            "round_s": round(self.latency_s, 3),
            "last_error": self._last_error,
        }

    async def _report_progress(self) -> None:
        while True:
            before, started = self.statistics(), time.monotonic()
            await asyncio.sleep(self.options.progress_interval_s)
            after = self.statistics()
            rows = int(after.get("rows", 0)) - int(before.get("rows", 0))
            if rows or after["last_error"] != before["last_error"]:
                _log.info("progress", events_per_s=round(rows / (time.monotonic() - started)), **after)


def _first(errors: BaseExceptionGroup[FleetpulseError]) -> FleetpulseError:
    """The first of what a task group joined: the command line prints one line."""
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


async def _cluster_id(client: AIOKafkaConsumer) -> str:
    """The broker's cluster id; empty where it does not tell one."""
    from aiokafka.protocol.metadata import MetadataRequest  # noqa: PLC0415  # aiokafka's protocol classes are heavy

    try:
        response = await client._client._send_request_to_any(MetadataRequest[2]([]))
    except (KafkaError, AttributeError):
        return ""
    return str(response.cluster_id or "")
