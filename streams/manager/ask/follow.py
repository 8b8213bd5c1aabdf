"""The alert manager's memory, followed as it is written: one state that is always the newest, for who asks often."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from aiokafka.errors import KafkaError

from infra.runtime.errors import FleetpulseError, TopicMismatchError
from infra.runtime.kafka import AIOKafkaConsumer, AIOKafkaProducer, consumer, partition_counts, producer
from streams.manager import signals
from streams.manager.ask.give import Given, send_all
from streams.manager.ask.picture import SIGNALS, WAY_OUT, Picture
from streams.manager.changelog import OWNER, PARTITION, Log
from streams.manager.model import Alert, alert_of
from streams.manager.state import POSITION, State, silence_of

_POLL_MS, _LOOK_EVERY_S, _ANSWER_WITHIN_S = 100, 1.0, 4.0
Changed = Callable[[str, Alert | None], None]
"""Told of an alert: its fingerprint, and how it is now; None: it is forgotten."""


def apply(state: State, key: str, raw: bytes | None) -> None:
    """Bring a state that is only looked at up to one more record. Groups and timers are the manager's own affair."""
    kind, _, name = key.partition("/")
    if kind == "a":
        _apply_alert(state, name, raw)
    elif kind == "s" and raw is None:
        state.silences.pop(name, None)
    elif kind == "s" and raw is not None:
        state.silences[name] = silence_of(json.loads(raw))
    elif key == POSITION and raw is not None:
        document = json.loads(raw)
        state.position, state.now_s = document["position"], document["now_s"]


def _apply_alert(state: State, name: str, raw: bytes | None) -> None:
    for table in (state.alerts, state.active, state.ended):
        if raw is None:
            table.pop(name, None)
    if raw is not None:
        alert = state.alerts[name] = alert_of(json.loads(raw))
        here, there = (state.active, state.ended) if alert.active else (state.ended, state.active)
        there.pop(name, None)
        here.setdefault(name, None)


@dataclass
class Follower:
    """`run` reads for ever; `caught_up` is set once it has read what there was. `hands` carries orders out. `trails`:
    how many trails of alerts are being read for who asks."""

    bootstrap: str
    changed: Changed = lambda _name, _alert: None
    state: State = field(default_factory=State)
    partitions: dict[str, int] = field(default_factory=dict)
    caught_up: asyncio.Event = field(default_factory=asyncio.Event)
    trails: int = 0
    _log: Log = field(default_factory=Log)
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)
    _offset: int = -1
    _signals_end: int = 0
    _heard_s: float = field(default_factory=time.monotonic)
    _producer: AIOKafkaProducer | None = None
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)

    def picture(self) -> Picture:
        """What the manager knows now."""
        behind = max(self._signals_end - self.state.position, 0)
        unheard_s = time.monotonic() - self._heard_s
        return Picture(
            self.state, self._log.records, self.partitions, behind, time.time(), max(unheard_s - _LOOK_EVERY_S, 0.0)
        )

    async def run(self) -> None:
        """Follow until cancelled. Raises `BrokerUnreachableError`, `TopicMismatchError`, and `FleetpulseError` where
        the changelog begins anew: then everything is to be read again."""
        self.partitions = await partition_counts(self.bootstrap)
        missing = [name for name in (signals.TOPIC, PARTITION.topic) if not self.partitions.get(name)]
        if missing:
            raise TopicMismatchError(f"topics are missing on {self.bootstrap}: {', '.join(missing)}", way_out=WAY_OUT)
        reader = consumer(self.bootstrap, fetch_max_wait_ms=_POLL_MS)
        await reader.start()
        try:
            reader.assign([PARTITION])
            await reader.seek_to_beginning(PARTITION)
            await self._follow(reader)
        finally:
            await reader.stop()
            if self._producer is not None:
                await self._producer.stop()

    async def _follow(self, reader: AIOKafkaConsumer) -> None:
        looked_s, end = -_LOOK_EVERY_S, 0
        while True:
            if time.monotonic() - looked_s >= _LOOK_EVERY_S:
                looked_s = time.monotonic()
                end = await self._look(reader, end)
            records = (await reader.getmany(PARTITION, timeout_ms=_POLL_MS)).get(PARTITION, ())
            if records:
                await self._take(records)
            if await reader.position(PARTITION) >= end:
                self.caught_up.set()

    async def _look(self, reader: AIOKafkaConsumer, end: int) -> int:
        """Where both topics end; what was known of it where the broker does not answer."""
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                ends = await reader.end_offsets([PARTITION, SIGNALS])
        except (KafkaError, TimeoutError):
            return end  # how long ago it answered shows in every picture
        self._heard_s, self._signals_end = time.monotonic(), ends[SIGNALS]
        return int(ends[PARTITION])

    async def _take(self, records: Iterable[object]) -> None:
        touched: dict[str, None] = {}
        for record in records:
            touched |= dict.fromkeys(self._take_one(record))
        for name in touched:
            self.changed(name, self.state.alerts.get(name))
        async with self._moved:
            self._moved.notify_all()

    def _take_one(self, record: object) -> Sequence[str]:
        """Fingerprints of alerts that it changes."""
        offset, key = record.offset, (record.key or b"").decode()  # type: ignore[attr-defined]  # aiokafka's record
        if offset <= self._offset:
            raise FleetpulseError(f"the changelog of the alert manager begins anew at {offset}")
        self._offset = offset
        before = self._log.records.get(key)
        owner = dict(record.headers).get(OWNER, b"").decode()  # type: ignore[attr-defined]  # the same
        self._log.take(key, record.value, owner)  # type: ignore[attr-defined]  # the same
        now = self._log.records.get(key)
        if now == before:
            return ()  # a claim, or the word of one who was replaced
        apply(self.state, key, now)
        return (key.removeprefix("a/"),) if key.startswith("a/") else ()

    async def hands(self, messages: Sequence[bytes], within_s: float | None) -> Given:
        """Send commands, wait until the state contains the decision on them. Raises `KafkaError`."""
        last = await send_all(await self._sender(), messages)
        if within_s is None:
            return Given(None)
        try:
            async with asyncio.timeout(within_s), self._moved:
                await self._moved.wait_for(lambda: self.state.position > last)
        except TimeoutError:
            return Given(False)
        return Given(True, self.state)

    async def _sender(self) -> AIOKafkaProducer:
        async with self._sending:
            if self._producer is None:
                client = producer(self.bootstrap, idempotent=False, linger_ms=0, request_timeout_ms=5_000)
                await client.start()
                self._producer = client
            return self._producer
