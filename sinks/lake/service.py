"""The lake writer as a process: records in (`reader`), files out and offsets committed behind them (`rounds`)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from aiokafka.errors import CommitFailedError, KafkaError

from infra.runtime.clock import Clock, SystemClock
from infra.runtime.errors import FleetpulseError
from infra.runtime.kafka import AIOKafkaConsumer
from infra.runtime.lifecycle import CleanUps
from infra.runtime.logs import get_logger
from infra.runtime.memory import calm_garbage_collector
from sinks.lake.assignment import Assignment
from sinks.lake.connection import cluster_id, connect
from sinks.lake.letter_post import LetterPost
from sinks.lake.options import LakeOptions
from sinks.lake.owned import Holdings
from sinks.lake.patience import Patience, wait_at_most
from sinks.lake.reader import Reader
from sinks.lake.rounds import Rounds, Tally
from sinks.lake.schedule import due, until_due_s
from sinks.lake.storage import open_lake
from sinks.lake.upkeep import Upkeep

_log = get_logger("lake.service")
_FINISH_WITHIN_S = 20.0
_CLOSE_WITHIN_S = 10.0


class LakeService:
    """Writes the topics of a broker into a lake, with any number of its kind beside it."""

    def __init__(self, options: LakeOptions, clock: Clock | None = None) -> None:
        self.options = options
        self.tally = Tally()
        self._clock = clock or SystemClock()
        self._stopping = asyncio.Event()
        self._flush_wanted = asyncio.Event()
        self._assigned = asyncio.Event()
        self._holdings = Holdings(options.buffer_bytes)
        self._patience = Patience(self._stopping)
        self._post = LetterPost(options.bootstrap)
        self._pool = ThreadPoolExecutor(options.threads, thread_name_prefix="lake-write")
        self._upkeep = Upkeep(options.lake)
        self._checkpoint_at_s = 0.0
        self._consumer: AIOKafkaConsumer | None = None

    # --- life -------------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event, on_ready: Callable[[int], None]) -> None:
        """Write until `stop` is set, then flush, commit and leave. `on_ready` hears the number of partitions, once.

        Raises `LakeError`, `BrokerUnreachableError`, `TopicMismatchError` at the start.
        """
        calm_garbage_collector()
        open_lake(self.options.lake)
        client = self._consumer = await connect(self.options.bootstrap, self.options.group, self.options.topics)
        rounds = Rounds(
            client, self._holdings, self._post, self.tally, self._pool, self._clock, reassign=self._assigned
        )
        try:
            reader = await self._subscribe(client)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(reader.run(on_ready))
                tasks.create_task(self._flush_forever(rounds))
                beside = [tasks.create_task(self._report_progress())]
                if self.options.compact:
                    beside.append(tasks.create_task(self._upkeep.run()))
                await stop.wait()
                # Reader and flusher end between two rounds, not within one: threads may be writing.
                for event in (self._stopping, self._flush_wanted, self._assigned):
                    event.set()
                self._upkeep.stop()
                for task in beside:
                    task.cancel()
            await self._finish(rounds)
        except* FleetpulseError as errors:
            raise _first(errors) from None
        finally:
            await self._close(client)

    async def _subscribe(self, client: AIOKafkaConsumer) -> Reader:
        options, holdings = self.options, self._holdings
        assignment = Assignment(
            client,
            options.lake,
            holdings,
            self._patience,
            self._clock,
            topics=options.topics,
            cluster_id=await cluster_id(client),
            changed=self._assigned,
        )
        client.subscribe(list(options.topics), listener=assignment)
        return Reader(
            client,
            options,
            holdings,
            assignment,
            self._patience,
            self._clock,
            flush_wanted=self._flush_wanted,
            stopping=self._stopping,
        )

    async def _finish(self, rounds: Rounds) -> None:
        """Write what is buffered, keep hints, commit; what fails here is read again by the next owner."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FINISH_WITHIN_S):
                try:
                    await rounds.make({tp: o for tp, o in self._holdings.partitions.items() if o.buffer})
                    await rounds.checkpoint(all_of_them=True)
                    await rounds.fence(self._holdings.partitions)
                except (OSError, KafkaError) as error:
                    _log.warning("the last flush failed, its records are read again", error=repr(error))

    async def _close(self, client: AIOKafkaConsumer) -> None:
        clean_ups = CleanUps()
        clean_ups.add("threads", partial(asyncio.to_thread, self._pool.shutdown))
        clean_ups.add("consumer", client.stop)
        clean_ups.add("dead letter producer", self._post.close)
        try:
            await clean_ups.run(_CLOSE_WITHIN_S)
        except* (KafkaError, TimeoutError) as errors:
            # With the broker away nobody can be told goodbye; what is durable is durable.
            _log.warning("left without a goodbye", errors=[repr(error) for error in errors.exceptions])

    # --- writing ----------------------------------------------------------------------------------------------------

    async def _flush_forever(self, rounds: Rounds) -> None:
        while not self._stopping.is_set():
            wait_s = until_due_s(self.options, self._holdings.partitions, self._clock.monotonic_s())
            await wait_at_most(self._flush_wanted, wait_s)
            self._flush_wanted.clear()
            try:
                await self._turn(rounds)
            except CommitFailedError:
                _log.warning("this member has lost its partitions, their buffers are dropped")
                await wait_at_most(self._assigned, 1.0)
            except (OSError, KafkaError, TimeoutError) as error:
                await self._patience.wait_after(error, "flush")

    async def _turn(self, rounds: Rounds) -> None:
        """Write what is due, or commit what a round before made durable; keep hints once an interval."""
        partitions, now_s = self._holdings.partitions, self._clock.monotonic_s()
        if self._holdings.is_full():
            wanted = {tp: owned for tp, owned in partitions.items() if owned.buffer}
        else:
            wanted = due(self.options, partitions, now_s)
        if wanted:
            await rounds.make(wanted)
        elif uncommitted := self._holdings.uncommitted():
            await rounds.fence(uncommitted)
        if self._clock.monotonic_s() >= self._checkpoint_at_s:
            self._checkpoint_at_s = self._clock.monotonic_s() + self.options.checkpoint_interval_s
            await rounds.checkpoint()
        self._patience.all_well()
        self.tally.idle_turns += self.lag() == 0

    # --- what it tells ----------------------------------------------------------------------------------------------

    def lag(self) -> int:
        """Records that the broker has, by its last answers, and the lake has not, over the owned partitions."""
        lag = 0
        if self._consumer is None:
            return 0
        for tp, owned in self._holdings.partitions.items():
            if tp in self._consumer.assignment() and (end := self._consumer.highwater(tp)) is not None:
                lag += max(end - owned.writer.position.next_offset, 0)
        return lag

    @property
    def trouble(self) -> str:
        """What it cannot do now and tries again; empty while all is well."""
        return self._patience.trouble

    def statistics(self) -> dict[str, float | int | str]:
        """Rows, duplicates, bad messages and files since the start; buffered bytes; the last round's latency."""
        return {
            **self._holdings.counts(),
            **self._holdings.buffered(),
            "round_s": round(self.tally.latency_s, 3),
            "last_error": self._patience.last_error,
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
