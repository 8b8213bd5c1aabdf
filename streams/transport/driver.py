"""The driver behind `microbatch://`: Faust's aiokafka transport, fed with columns and with its own acknowledgement.

Three things differ from the driver below it. Source records are fetched as columns, one message a partition and poll;
changelog and reply records pass through one by one. Nothing between two batches is a gap. An offset is committed only
when every batch before it is finished and the application has made durable what follows from them (`before_commit`).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from time import monotonic
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from infra.runtime.columnar_fetch import fetch_columns
from streams.transport.batch import Batch, InFlight

MAX_BATCH_RECORDS = 10_000
"""Records of one partition in one batch, rounded up to whole Kafka batches."""
FETCH_MAX_WAIT_MS = 250
SMALL_BATCH_RECORDS = 2_000
LINGER_S = 0.05
_POLL_S = 0.5
_RECOVERING_POLL_S = 0.02


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # Faust ships no usable types
    """The thread in which aiokafka runs; here the fetched bytes become columns."""

    _next_poll_s = 0.0

    def _create_worker_consumer(self, transport: Any) -> Any:  # noqa: ANN401  # Faust's own signature
        """Faust's consumer, but asking again sooner when there is nothing: deadlines wait for the answer."""
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS  # Faust hard-codes 1,500
        return consumer

    def fetched(self, tp: TP) -> tuple[int | None, int | None]:
        """End of the log at the last fetch of a partition, and when that was in ms; None before the first."""
        consumer = self._ensure_consumer()
        key = TopicPartition(tp.topic, tp.partition)
        return consumer.highwater(key), consumer.last_poll_timestamp(key)

    async def _fetch_records(
        self,
        consumer: Any,  # noqa: ANN401  # aiokafka ships no types
        active_partitions: set[TP] | None,
        timeout: float | None = None,  # noqa: ASYNC109  # Faust's own signature
        max_records: int | None = None,
    ) -> Mapping[TP, list[Any]]:
        if not self.consumer.flow_active or not active_partitions:
            return {}
        passed_through = {tp for tp in active_partitions if self.consumer.passes_through(tp)}
        if passed_through:
            records: Mapping[TP, list[Any]] = await super()._fetch_records(
                consumer, passed_through, timeout=min(timeout or _POLL_S, _POLL_S), max_records=max_records
            )
            return records
        if self.app.rebalancing:
            # Faust opens the sources before it has gone to the committed offsets and emptied its queues: what is
            # fetched in between would be in flight for ever.
            await asyncio.sleep(_RECOVERING_POLL_S)
            return {}
        generation = self.app.consumer_generation_id
        if consumer._closed:  # as the driver below does
            raise ConsumerStoppedError
        await self._linger()
        # Partitions whose queue is under pressure are drained too, and wait in the queue: aiokafka asks a broker for
        # nothing for 0.1 s while records of any of its partitions lie in the fetcher. Chosen only now, because Faust
        # changes the set under our hands: a changelog that a recovery opened meanwhile must never come as columns.
        wanted = {
            tp for tp in active_partitions | self.consumer._buffered_partitions if not self.consumer.passes_through(tp)
        }
        if self.app.rebalancing or not wanted:
            return {}
        columns = await fetch_columns(
            consumer,
            {TopicPartition(tp.topic, tp.partition) for tp in wanted},
            timeout_s=timeout or _POLL_S,
            max_records=MAX_BATCH_RECORDS,
        )
        if columns:
            small = max(map(len, columns.values())) < SMALL_BATCH_RECORDS
            self._next_poll_s = asyncio.get_running_loop().time() + (LINGER_S if small else 0.0)
        begin = getattr(self.app, "begin_ahead", lambda _columns: None)
        return {
            TP(tp.topic, tp.partition): [Batch(found, ahead=begin(found), generation=generation)]
            for tp, found in columns.items()
        }

    async def _linger(self) -> None:
        """After small batches, let the next ones grow: a batch costs half a millisecond however few records it has."""
        wait_s = self._next_poll_s - asyncio.get_running_loop().time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)


class Consumer(driver.Consumer):  # type: ignore[misc]  # Faust ships no usable types
    """Hands out batches, and owns what may be committed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # Faust's own signature
        self._in_flight: defaultdict[TP, InFlight] = defaultdict(InFlight)
        super().__init__(*args, **kwargs)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def longest_in_flight_s(self) -> float:
        """For how long the oldest batch that was handed out is unfinished, s; 0 when there is none."""
        since_s = [found.oldest_s for found in self._in_flight.values() if found.oldest_s is not None]
        return monotonic() - min(since_s) if since_s else 0.0

    def passes_through(self, tp: TP) -> bool:
        """Whether the records of this partition are not batched: changelogs and replies."""
        return bool(self._is_changelog_tp(tp)) or tp.topic == str(self.app.conf.reply_to)

    def fetched(self, tp: TP) -> tuple[int | None, int | None]:
        """End of the log at the last fetch of a partition, and when that was in ms; None before the first."""
        found: tuple[int | None, int | None] = self._thread.fetched(tp)
        return found

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:  # noqa: ANN401  # Faust's own signature
        if not isinstance(record, Batch):
            return super()._to_message(tp, record)
        columns = record.columns
        if record.generation == self.app.consumer_generation_id and not self.app.rebalancing:
            record.handed_out_s = monotonic()
            self._in_flight[tp].add(record)
        else:
            record.abandoned = True  # fetched for an assignment that is over: it is read again
        return ConsumerMessage(
            columns.topic,
            columns.partition,
            columns.last_offset,
            columns.timestamps_ms[-1] / 1000,
            0,
            (),
            None,
            record,
            None,
            0,
            len(columns),
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Forget what was handed out: whoever gets the partition next starts at the committed offset."""
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            if (in_flight := self._in_flight.pop(tp, None)) is not None:
                in_flight.abandon()

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Offsets between two batches were never records (compaction, transaction markers): nothing to wait for."""

    def _filter_tps_with_pending_acks(self, topics: Iterable[Any] | None = None) -> Iterator[TP]:
        wanted = None if topics is None else set(topics)
        return (tp for tp in list(self._in_flight) if wanted is None or tp in wanted or tp.topic in wanted)

    def _new_offset(self, tp: TP) -> int | None:
        """The end of the contiguous prefix of finished batches; Faust's own lists of offsets are not consulted."""
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        return self._in_flight[tp].take_committable()

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        """Commit what the application has made durable, and nothing else.

        An exception in `before_commit` crashes the worker: alive and unable to commit would be a silent stall.
        """
        before_commit = getattr(self.app, "before_commit", None)
        if before_commit is not None:
            try:
                offsets = await before_commit(offsets)
            except Exception as error:
                await self.crash(error)
                raise
        committed: bool = await super()._commit_offsets(offsets, start_new_transaction=start_new_transaction)
        return committed


class Transport(driver.Transport):  # type: ignore[misc]  # Faust ships no usable types
    """`microbatch://`: found by Faust through the entry-point group `faust.transports`."""

    Consumer = Consumer
