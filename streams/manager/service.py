"""The alert manager as a process: signals in, events of alerts out; one works, others of the group stand by.

1. Take over: claim the changelog, read it, go on at the position that it names.
2. Poll. The wait ends with a signal or with the next timer, whichever comes first.
3. Decide, in memory. What cannot be read becomes a dead letter.
4. Nobody else has claimed the changelog; then events acknowledged, then the state, then the offset committed. A crash
   in between repeats the step on the old state: the same events with the same identifiers.
5. What fails at the broker drops the state in memory; 1. comes again, as long as the partition is assigned.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from aiokafka import ConsumerRebalanceListener, ConsumerRecord
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaConnectionError, KafkaError

from infra.runtime.batch_send import partition_of, send_records
from infra.runtime.clock import Clock
from infra.runtime.crash import crash_point
from infra.runtime.errors import TopicMismatchError
from infra.runtime.kafka import (
    SESSION_TIMEOUT_MS,
    AIOKafkaConsumer,
    AIOKafkaProducer,
    TopicPartition,
    consumer,
    partition_counts,
    producer,
    supports_idempotence,
    unreachable,
)
from infra.runtime.logs import get_logger
from schemas.catalogue import ALERTS_CHANGELOG
from schemas.record import UndecodableError, encode_single_object
from schemas.registry import SchemaBook, topic_schema
from streams.manager import changelog, signals
from streams.manager.config import ManagerConfig
from streams.manager.core import change_rules, decide, resume, tick, watch
from streams.manager.letters import letter_row
from streams.manager.model import Event, Signal
from streams.manager.state import State, restore

ALERTS, LETTERS = "fleet.alerts", "fleet.deadletter"
GROUP = "fleetpulse-alert-manager"
SIGNALS = TopicPartition(signals.TOPIC, 0)
_LONGEST_WAIT_S, _BATCH_RECORDS, _LIVE_S = 1.0, 500, 2.0
_REPLACED_PAUSE_S = 2.0
"""Two heartbeats: within them, who is no longer a member hears of it."""
_log = get_logger("alert-manager")


@dataclass
class Statistics:
    """Counts since the start."""

    signals: int = 0
    events: int = 0
    problems: int = 0
    dead_letters: int = 0
    takeovers: int = 0
    steps: int = 0


class StaleError(Exception):
    """The process slept so long that another may have taken over: what it decided meanwhile must not be written."""


class AlertManager:
    """One member of the group. `start`, `run`, `stop`; `settings` gives the present settings, asked at every step."""

    def __init__(
        self, bootstrap: str, settings: Callable[[], ManagerConfig], clock: Clock, session_timeout_ms: int | None = None
    ) -> None:
        self._bootstrap = bootstrap
        self._settings = settings
        self._config = settings()
        self._clock = clock
        self._session_ms = session_timeout_ms or SESSION_TIMEOUT_MS
        self._book = SchemaBook("signal")
        self._consumer: AIOKafkaConsumer | None = None
        self._producer: AIOKafkaProducer | None = None
        self._looker: AIOKafkaConsumer | None = None
        self._partitions: dict[str, int] = {}
        self._writer: changelog.Writer | None = None
        self._lock = asyncio.Lock()
        self._owns = False
        self._since_s = 0.0
        self.state: State | None = None
        self.settled = asyncio.Event()
        self.statistics = Statistics()
        self.trouble = ""
        """Why the last step failed; empty once one succeeded."""

    def lag(self) -> int:
        """Signals that were on the broker at the last fetch and are not decided on; 0 for one that stands by."""
        end = self._consumer.highwater(SIGNALS) if self._consumer is not None and self._owns else None
        return max((end or 0) - self.state.position, 0) if self.state is not None else 0

    async def start(self) -> None:
        """Connect and ask to join the group. Raises `BrokerUnreachableError`, `TopicMismatchError`."""
        self._partitions = await _checked_topics(self._bootstrap)
        idempotent = await supports_idempotence(self._bootstrap)
        sender = producer(self._bootstrap, idempotent=idempotent, linger_ms=0, max_batch_size=changelog.BATCH_BYTES)
        # Tansu (no producer ids) does not answer a waiting fetch when something comes: so it is asked often.
        fetch_wait_ms = 500 if idempotent else 20
        joined = consumer(
            self._bootstrap, group_id=GROUP, session_timeout_ms=self._session_ms, fetch_max_wait_ms=fetch_wait_ms
        )
        looker = consumer(self._bootstrap)
        try:
            await sender.start()
            await looker.start()
            joined.subscribe([signals.TOPIC], listener=_Listener(self))
            await joined.start()
        except BaseException as error:
            await asyncio.gather(sender.stop(), looker.stop(), joined.stop())
            if isinstance(error, KafkaConnectionError):
                raise unreachable(self._bootstrap) from error
            raise
        self._producer, self._looker, self._consumer = sender, looker, joined

    async def stop(self) -> None:
        """Leave the group: another takes over at once."""
        joined, self._consumer = self._consumer, None
        looker, self._looker = self._looker, None
        if joined is not None:
            _have_it_leave(joined)
        sender, self._producer = self._producer, None
        for client in (joined, looker, sender):
            if client is not None:
                await client.stop()

    async def run(self, asked_to_stop: asyncio.Event) -> None:
        """Decide until asked to stop; what fails at the broker is tried again."""
        pause_s = 0.5
        stop = asyncio.create_task(asked_to_stop.wait())
        try:
            while not asked_to_stop.is_set():
                try:
                    await self._step_or(stop)
                    self.statistics.steps += 1
                    pause_s, self.trouble = 0.5, ""
                except (KafkaError, StaleError, changelog.ReplacedError) as error:
                    self.state, self.trouble = None, f"a step failed and is done again: {error!r}"
                    if isinstance(error, changelog.ReplacedError):
                        pause_s = max(pause_s, _REPLACED_PAUSE_S)
                    _log.warning("a step failed and is done again", error=repr(error), pause_s=pause_s)
                    await asyncio.wait([stop], timeout=pause_s)
                    pause_s = min(pause_s * 2, 10.0)
        finally:
            stop.cancel()

    async def _step_or(self, stop: asyncio.Task[object]) -> None:
        """One step; only its wait is cut short when somebody asks to stop."""
        assert self._consumer is not None, "start() comes first"
        # aiokafka goes on naming what it had while the group is rebalanced: only its calls of the listener are true.
        if self._owns and self.state is None:
            async with self._lock:
                if self._owns:
                    await self._take_over()
        owned = self._owns
        wait_s = self._wait_s() if owned else _LONGEST_WAIT_S
        polling = asyncio.create_task(
            self._consumer.getmany(SIGNALS, timeout_ms=round(wait_s * 1000), max_records=_BATCH_RECORDS)
            if owned
            else asyncio.sleep(0.1, {})
        )
        await asyncio.wait([polling, stop], return_when=asyncio.FIRST_COMPLETED)
        if not polling.done():
            polling.cancel()
            await asyncio.wait([polling])
            return
        records = polling.result().get(SIGNALS, [])
        async with self._lock:
            if self.state is not None:
                await self._step(self.state, records)

    def _wait_s(self) -> float:
        """Until the next timer, at most `_LONGEST_WAIT_S`."""
        due_s = self.state.next_due_s() if self.state is not None else None
        if due_s is None:
            return _LONGEST_WAIT_S
        return min(max(due_s - self._clock.now_s(), 0.001), _LONGEST_WAIT_S)

    async def _take_over(self) -> None:
        """State from the changelog, and the position that goes with it; from here on nobody else's word counts."""
        assert self._consumer is not None
        assert self._producer is not None
        # A commit tells whether the group still knows this member: who does not belong to it must not claim.
        committed = await self._consumer.committed(SIGNALS)
        await self._consumer.commit({SIGNALS: committed or 0})
        self._writer = changelog.Writer(self._producer, self._looker, uuid.uuid4().hex)
        await self._writer.claim(round(self._clock.now_s() * 1000))
        log = await changelog.read_log(self._bootstrap)
        state = restore(log.records)
        for key in sorted(log.spoilt):
            state.changed(key)
        # Also to 0: a poll from before the rebalance may have taken signals of the new assignment, and dropped them.
        self._consumer.seek(SIGNALS, state.position or committed or 0)
        self._since_s = self._clock.now_s()
        self._config = self._settings()
        events = resume(self._config, state)
        await self._write(state, events, [])
        self.state = state
        self.statistics.takeovers += 1
        self.settled.set()
        _log.info("took over", position=state.position, alerts=len(state.active), silences=len(state.silences))

    async def _step(self, state: State, records: Sequence[ConsumerRecord]) -> None:
        events: list[Event] = []
        letters: list[tuple[ConsumerRecord, UndecodableError]] = []
        if (config := self._settings()) is not self._config:
            self._config = config
            events += change_rules(config, state)
        for record in records:
            # A retention or a repair can leave holes, but what was decided on never comes twice within one state.
            if record.offset < state.position:
                continue
            state.position = record.offset + 1
            try:
                signal = signals.decode(self._book, record.value)
            except UndecodableError as error:
                letters.append((record, error))
                continue
            events += self._decide(state, signal, record)
        now_s = self._clock.now_s()
        if len(records) < _BATCH_RECORDS and (not records or records[-1].timestamp / 1000 > now_s - _LIVE_S):
            events += tick(self._config, state, now_s)
            events += watch(self._config, state, self._since_s)
        if records or events or state.has_changes:
            await self._write(state, events, letters)
        if records:
            await self._commit(state.position)

    def _decide(self, state: State, signal: Signal, record: ConsumerRecord) -> list[Event]:
        self.statistics.signals += 1
        decision = decide(self._config, state, signal, record.timestamp / 1000)
        if decision.problem is not None:
            self.statistics.problems += 1
            _log.warning("nothing was decided on a signal", offset=record.offset, problem=decision.problem)
        return decision.events

    async def _check_owner(self) -> None:
        """Whether nobody took over while this process slept. Raises `ReplacedError`, `StaleError`, `KafkaError`."""
        assert self._writer is not None
        asked_s = self._clock.monotonic_s()
        await self._writer.check()
        slept_s = self._clock.monotonic_s() - asked_s
        if slept_s * 1000 > 0.8 * self._session_ms:
            raise StaleError(f"the answer took {slept_s:.1f} s, the session may be over")

    async def _write(
        self, state: State, events: Sequence[Event], letters: Sequence[tuple[ConsumerRecord, UndecodableError]]
    ) -> None:
        """Events and dead letters acknowledged, then the state. Raises as `_check_owner`."""
        assert self._writer is not None
        await self._check_owner()
        now_ms = round(self._clock.now_s() * 1000)
        rows = [(LETTERS, letter_row(record, error)) for record, error in letters]
        rows += [(ALERTS, event) for event in events]
        await asyncio.gather(*(self._send(topic, rows, now_ms) for topic in (LETTERS, ALERTS)))
        self.statistics.events += len(events)
        self.statistics.dead_letters += len(letters)
        crash_point("alerts_before_state")
        await self._writer.write(state.take_changes(), now_ms)
        crash_point("alerts_before_commit")

    async def _send(self, topic: str, rows: Iterable[tuple[str, Event]], now_ms: int) -> None:
        schema, partitions = topic_schema(topic), self._partitions[topic]
        records = []
        for wanted, row in rows:
            if wanted == topic:
                key = str(row["agent_id"]).encode()
                records.append((partition_of(key, partitions), key, encode_single_object(schema, row), now_ms))
        if records:
            await send_records(self._producer, topic, records)

    async def _commit(self, position: int) -> None:
        assert self._consumer is not None
        try:
            await self._consumer.commit({SIGNALS: position})
        except (CommitFailedError, IllegalStateError) as error:
            # The position is in the changelog; whoever owns the partition now has read it or decides the same again.
            _log.warning("the offset was not committed", error=repr(error))
            self.state = None

    async def lose(self) -> None:
        """The partition is taken away: after the step that runs nothing is written any more."""
        async with self._lock:
            self._owns, self.state = False, None

    def gain(self, partitions: Sequence[TopicPartition]) -> None:
        """What the group assigned to this one, for it to take over at its next step; often it is nothing."""
        self._owns = SIGNALS in partitions
        if not self._owns:
            self.settled.set()
            _log.info("another one works, this one stands by")


def _have_it_leave(member: AIOKafkaConsumer) -> None:
    """aiokafka leaves from generation 1 on, Tansu counts from 0: whoever comes next would wait for a session to end."""
    coordinator = member._coordinator  # aiokafka offers no way to leave
    if getattr(coordinator, "generation", None) == 0:
        coordinator.generation = 1  # the request names the member alone


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no usable types
    """Rebalances wait for the step that runs."""

    def __init__(self, manager: AlertManager) -> None:
        self._manager = manager

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        del revoked
        await self._manager.lose()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._manager.gain(list(assigned))


async def _checked_topics(bootstrap: str) -> dict[str, int]:
    """Partition counts of the topics that are needed. Raises `TopicMismatchError`, `BrokerUnreachableError`."""
    counts = await partition_counts(bootstrap)
    needed = (signals.TOPIC, ALERTS, LETTERS, ALERTS_CHANGELOG)
    missing = [name for name in needed if not counts.get(name)]
    if missing:
        raise TopicMismatchError(
            f"topics are missing on {bootstrap}: {', '.join(missing)}",
            way_out="Create them with `fleetpulse topics create`",
        )
    for name in (signals.TOPIC, ALERTS_CHANGELOG):
        if counts[name] != 1:
            raise TopicMismatchError(
                f"{name} has {counts[name]} partitions, all that is decided on needs one order, so one partition",
                way_out="Recreate the topic, or run `fleetpulse topics check`",
            )
    return {name: counts[name] for name in needed}
