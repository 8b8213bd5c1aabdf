"""Records of fleet.deliveries: who was told of what, when, with what outcome."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.errors import KafkaError

from infra.runtime.batch_send import partition_of, send_records
from infra.runtime.clock import Clock
from infra.runtime.ids import event_id, new_session_bits
from infra.runtime.kafka import AIOKafkaProducer
from infra.runtime.logs import get_logger
from schemas.record import encode_single_object
from schemas.registry import topic_schema
from sinks.lake import dead_letters
from sinks.notify.alert import Alert
from sinks.notify.in_hand import Item

TOPIC = "fleet.deliveries"
_PAUSE_S = 1.0
_ERROR_CHARACTERS = 500
_log = get_logger("notify")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: delivered, failed, dead, suppressed or unknown_channel; `duration_s` how long it took."""

    channel: str
    kind: str
    outcome: str
    status_code: int | None = None
    error: str | None = None
    duration_s: float = 0.0
    group_key: str | None = None
    grouped: int | None = None


class Recorder:
    """Writes records and has them acknowledged; one session a process. The producer is its owner's.

    Records that come while a batch is under way make the next one: who tells alerts one by one waits for a share of a
    batch, not for a round trip each.
    """

    def __init__(
        self, sender: AIOKafkaProducer, clock: Clock, topic: str = TOPIC, letters: str = dead_letters.TOPIC
    ) -> None:
        self._sender = sender
        self._clock = clock
        self._topic = topic
        self._letters = letters
        self._schema = topic_schema(TOPIC)
        self._bits = new_session_bits()
        self._session = f"notify/{os.getpid()}/{self._bits:08x}/{int(clock.now_s() * 1000)}"
        self._seq = 0
        self._waiting: list[tuple[str, Sequence[tuple[bytes, bytes]], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def write(self, items: Sequence[Item], outcome: Outcome) -> None:
        """One record an alert, acknowledged when this returns. A broker that is away is waited for."""
        await self._send([self._message(item, outcome) for item in items], self._topic)

    async def bury(self, letters: Iterable[dead_letters.DeadLetter]) -> None:
        """Dead letters, acknowledged when this returns."""
        await self._send(dead_letters.encode(list(letters)), self._letters)

    async def stop(self) -> None:
        """Write no more; who still waits is cancelled. Idempotent."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.cancel()
            await asyncio.wait([writing])

    def _message(self, item: Item, outcome: Outcome) -> tuple[bytes, bytes]:
        record = delivery_record(item.alert, max(1, item.attempts), outcome)
        now_us = int(self._clock.now_s() * 1e6)
        record |= {
            "event_id": event_id(now_us, self._bits, self._seq),
            "timestamp": now_us,
            "session_id": self._session,
            "seq": self._seq,
        }
        self._seq += 1
        return item.alert.agent_id.encode(), encode_single_object(self._schema, record)

    async def _send(self, messages: Sequence[tuple[bytes, bytes]], topic: str) -> None:
        if not messages:
            return
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((topic, messages, written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_what_waits())
        await written

    async def _write_what_waits(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                for topic in {topic for topic, _, _ in batch}:
                    await self._write_batch(
                        topic, [m for name, messages, _ in batch if name == topic for m in messages]
                    )
            except BaseException as error:
                _end([*batch, *self._waiting], error)
                self._waiting = []
                raise
            _end(batch, None)

    async def _write_batch(self, topic: str, messages: Sequence[tuple[bytes, bytes]]) -> None:
        """Until it is acknowledged. What is sent again keeps its numbers: the lake leaves out what comes twice."""
        while True:
            try:
                partitions = len(await self._sender.partitions_for(topic))
                now_ms = int(self._clock.now_s() * 1000)
                rows = ((partition_of(key, partitions), key, value, now_ms) for key, value in messages)
                await send_records(self._sender, topic, rows)
            except KafkaError as error:
                _log.warning("the broker takes no record of deliveries, tried again", topic=topic, error=repr(error))
                await asyncio.sleep(_PAUSE_S)
            else:
                return


def _end(
    batch: Iterable[tuple[str, Sequence[tuple[bytes, bytes]], asyncio.Future[None]]], error: BaseException | None
) -> None:
    for _, _, written in batch:
        if written.done():
            continue
        if error is None:
            written.set_result(None)
        elif isinstance(error, asyncio.CancelledError):
            written.cancel()
        else:
            written.set_exception(error)


def delivery_record(alert: Alert, attempt: int, outcome: Outcome) -> dict[str, Any]:
    """The fields of schema delivery that follow from alert and outcome: all but when and by whom it was recorded."""
    return {
        "agent_id": alert.agent_id,
        "user_id": alert.user_id,
        "deployment_id": alert.deployment_id,
        "fingerprint": alert.fingerprint,
        "epoch": alert.epoch,
        "state": alert.state,
        "name": alert.name,
        "channel": outcome.channel,
        "channel_kind": outcome.kind,
        "attempt": attempt,
        "outcome": outcome.outcome,
        "status_code": outcome.status_code,
        "error": outcome.error[:_ERROR_CHARACTERS] if outcome.error else None,
        "duration_s": outcome.duration_s,
        "group_key": outcome.group_key,
        "grouped": outcome.grouped,
        "oldest_source_timestamp": alert.oldest_source_timestamp,
    }
