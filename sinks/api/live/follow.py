"""Keeps the memory current: reads fleet.status and fleet.trust from their beginning, then whatever comes.

What is told with every answer is `as_of_us`: up to when all that the broker had is in memory. The broker is asked once
a second how far its logs go; once everything before these ends is applied, the memory is of that moment. So a broker
that is away, a network that stalls and a decoder that is behind all show the same way: the time stands still.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiokafka.errors import KafkaError

from infra.runtime.clock import Clock
from infra.runtime.columnar_fetch import fetch_columns
from infra.runtime.errors import FleetpulseError, TopicMismatchError
from infra.runtime.kafka import AIOKafkaConsumer, TopicPartition, consumer, partition_counts
from infra.runtime.logs import get_logger
from schemas.columnar import decode_batch
from schemas.registry import SchemaBook
from sinks.api.live.memory import SOURCES, Memory
from sinks.api.live.same_log import AnotherLogError, SameLog

LOOK_S = 1.0
"""How often the broker is asked how far its logs go."""
STALE_S = 10.0
"""A memory that is older than this is not ready."""
_ANSWER_WITHIN_S = 3.0
_AGAIN_S = 1.0
_RECORDS = 4_000
_AT_ONCE = 1_000
"""Records that are decoded in the loop: 1 ms."""
_FETCH_WAIT_S = 0.25
_SCHEMAS = {"fleet.status": "status", "fleet.trust": "trust"}
_log = get_logger("api")


class Follower:
    """One consumer without a group. `on_change` hears of every batch that was applied."""

    def __init__(self, bootstrap: str, memory: Memory, clock: Clock, on_change: Callable[[], None]) -> None:
        self._bootstrap, self._memory, self._clock, self._on_change = bootstrap, memory, clock, on_change
        self._books = {topic: SchemaBook(schema) for topic, schema in _SCHEMAS.items()}
        self._same = SameLog(bootstrap)
        self._ends: dict[TopicPartition, int] = {}
        self._asked_us = 0
        self.as_of_us = 0
        """Up to when the memory holds all that the broker had, microseconds since 1970; 0: it was never whole."""
        self.whole = asyncio.Event()
        """Set once the memory was whole."""
        self.looks = 0
        """How often everything that the broker had was found applied."""
        self.records = 0
        """Records applied."""
        self.refused = 0
        """Records that could not be read; the lake writer dead-letters them."""
        self.rebuilt = 0
        """How often the memory was built anew, because the log was another."""
        self.trouble = ""
        """Why nothing comes, in words; empty while it does."""

    def age_s(self) -> float:
        """How old the memory is; infinite before it was whole once."""
        return self._clock.now_s() - self.as_of_us / 1e6 if self.as_of_us else float("inf")

    async def run(self) -> None:
        """Follow until cancelled; a broker that is away is tried again for ever."""
        while True:
            try:
                await self._follow()
            except FleetpulseError as error:
                self._say(error.problem)
            except (KafkaError, OSError, TimeoutError) as error:
                self._say(f"the broker at {self._bootstrap} does not answer: {type(error).__name__}")
            except AnotherLogError as error:
                self.rebuilt += 1
                self._say(str(error))
                self._same = SameLog(self._bootstrap)
                self._memory.clear()
                self._on_change()
            await asyncio.sleep(_AGAIN_S)

    def _say(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            _log.warning("memory stands still", why=trouble)
        self.trouble = trouble

    async def _follow(self) -> None:
        # Tansu makes a topic by being asked for it, so all are asked for.
        if absent := SOURCES.keys() - (await partition_counts(self._bootstrap)).keys():
            raise TopicMismatchError(f"the broker at {self._bootstrap} has no topic {', '.join(sorted(absent))}")
        client = consumer(self._bootstrap, *SOURCES)
        self._ends, self._asked_us = {}, 0
        try:
            async with asyncio.timeout(15):
                await client.start()
            for tp, offset in self._same.connected().items():
                if tp in client.assignment():
                    client.seek(tp, offset)
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(self._read(client))
                await self._look(client)
                reading.cancel()
        except* (KafkaError, OSError, TimeoutError, AnotherLogError) as group:
            raise group.exceptions[0] from None
        finally:
            await client.stop()

    async def _read(self, client: AIOKafkaConsumer) -> None:
        while True:
            fetched = await fetch_columns(client, timeout_s=_FETCH_WAIT_S, max_records=_RECORDS)
            values: dict[str, list[bytes | None]] = {}
            for tp, columns in fetched.items():
                self._same.arrived(tp, columns)
                values.setdefault(columns.topic, []).extend(columns.values)
            for topic, told in values.items():
                await self._take(topic, told)
            await self._note_whole(client)

    async def _take(self, topic: str, values: list[bytes | None]) -> None:
        """All partitions of a topic at once: an agent is in one, so no order is lost; where there is little, in this
        thread, since on a busy machine another one's turn comes late."""
        book = self._books[topic]
        few = len(values) <= _AT_ONCE
        batch = decode_batch(book, values) if few else await asyncio.to_thread(decode_batch, book, values)
        self.records += batch.frame.height
        self.refused += len(batch.bad)
        if batch.frame.height:
            self._memory.apply(topic, batch.frame)
            self._on_change()

    async def _note_whole(self, client: AIOKafkaConsumer) -> None:
        """Believe the moment at which the broker was asked, once all that it had then is applied."""
        if not self._asked_us or self._asked_us == self.as_of_us:
            return
        for tp, end in self._ends.items():
            if end > 0 and await client.position(tp) < end:
                return
        self.as_of_us = self._asked_us
        self.looks += 1
        self.whole.set()
        self._say("")

    async def _look(self, client: AIOKafkaConsumer) -> None:
        while True:
            asked_us = int(self._clock.now_s() * 1e6)
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                read = {tp: await client.position(tp) for tp in client.assignment()}
                ends = await client.end_offsets(list(read)) if read else {}
            await self._same.check(read, ends)
            if ends:
                self._ends, self._asked_us = ends, asked_us
            await asyncio.sleep(LOOK_S)
