"""Records of fleet.deliveries: who was told of what, when, with what outcome."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.errors import KafkaError

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
    """Writes records and has them acknowledged; one session a process. The producer is its owner's."""

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

    async def write(self, items: Sequence[Item], outcome: Outcome) -> None:
        """One record an alert, acknowledged when this returns. A broker that is away is waited for."""
        await self._send([self._message(item, outcome) for item in items], self._topic)

    async def bury(self, letters: Iterable[dead_letters.DeadLetter]) -> None:
        """Dead letters, acknowledged when this returns."""
        found = list(letters)
        await self._send(dead_letters.encode(found), self._letters)

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
        left = list(messages)
        while left:
            try:
                waiting = [await self._sender.send(topic, value, key=key) for key, value in left]
                results = await asyncio.gather(*waiting, return_exceptions=True)
            except KafkaError as error:
                _log.warning("the broker takes no record of deliveries, tried again", topic=topic, error=repr(error))
                await asyncio.sleep(_PAUSE_S)
                continue
            left = self._refused(left, results, topic)
            if left:
                await asyncio.sleep(_PAUSE_S)

    @staticmethod
    def _refused(
        messages: Sequence[tuple[bytes, bytes]], results: Sequence[object], topic: str
    ) -> list[tuple[bytes, bytes]]:
        failed = [(m, r) for m, r in zip(messages, results, strict=True) if isinstance(r, BaseException)]
        for _, error in failed:
            if not isinstance(error, KafkaError):
                raise error
        if failed:
            _log.warning(
                "records of deliveries are sent again", topic=topic, count=len(failed), error=repr(failed[0][1])
            )
        return [message for message, _ in failed]


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
