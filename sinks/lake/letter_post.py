"""Sends what the lake writer could not accept to fleet.deadletter."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from infra.runtime.kafka import AIOKafkaProducer, producer, supports_idempotence
from infra.runtime.logs import get_logger
from sinks.lake import dead_letters
from sinks.lake.crash import crash_point
from sinks.lake.dead_letters import DeadLetter

_log = get_logger("lake.service")


class LetterPost:
    """A producer that is started when the first letter comes: most lakes never need it."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._producer: AIOKafkaProducer | None = None

    async def send(self, groups: Iterable[list[DeadLetter]]) -> None:
        """Publish the letters of each partition and await the acknowledgement; bad dead letters are only told of.

        Raises `KafkaError`.
        """
        letters = []
        for group in groups:
            if group:
                _tell(group)
            letters += [letter for letter in group if letter.topic != dead_letters.TOPIC]
        if not letters:
            return
        client = await self._started()
        sent = [await client.send(dead_letters.TOPIC, value, key=key) for key, value in dead_letters.encode(letters)]
        await asyncio.gather(*sent)
        crash_point("after_dead_letters")

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            starting = producer(self._bootstrap, idempotent=await supports_idempotence(self._bootstrap))
            await starting.start()
            self._producer = starting
        return self._producer

    async def close(self) -> None:
        """Stop the producer, if there is one."""
        if self._producer is not None:
            await self._producer.stop()


def _tell(group: list[DeadLetter]) -> None:
    first = group[0]
    _log.warning(
        "messages cannot be accepted",
        topic=first.topic,
        partition=first.partition,
        count=len(group),
        first_offset=first.offset,
        first_error=first.error,
        first_detail=first.detail,
    )
