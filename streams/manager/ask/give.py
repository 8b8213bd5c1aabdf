"""Commands to the alert manager: a signal each, then the wait until its state contains them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from infra.runtime.kafka import AIOKafkaConsumer, AIOKafkaProducer, consumer, producer
from streams.manager.ask.picture import SIGNALS
from streams.manager.changelog import PARTITION, read
from streams.manager.state import POSITION, State, restore

_POLL_MS = 200


@dataclass(frozen=True)
class Given:
    """`taken`: the alert manager has decided on all of them; None: nobody waited. `state`: its state since then."""

    taken: bool | None
    state: State = field(default_factory=State)


async def give(bootstrap: str, messages: Sequence[bytes], within_s: float | None) -> Given:
    """Send commands and wait for at most `within_s`; None: do not wait. Raises `KafkaError`."""
    if within_s is None:
        await _send(bootstrap, messages)
        return Given(None)
    # Tansu does not wake a waiting fetch when something comes.
    reader = consumer(bootstrap, fetch_max_wait_ms=20)
    await reader.start()
    try:
        reader.assign([PARTITION])
        reader.seek(PARTITION, (await reader.end_offsets([PARTITION]))[PARTITION])
        last = await _send(bootstrap, messages)
        try:
            async with asyncio.timeout(within_s):
                return Given(True, restore(await _decided(bootstrap, reader, last)))
        except TimeoutError:
            return Given(False)
    finally:
        await reader.stop()


async def _decided(bootstrap: str, reader: AIOKafkaConsumer, last: int) -> dict[str, bytes]:
    """The state that contains the decision on signal `last`.

    The end of the log says when to look; what counts is the whole log, for not every writer's word does.
    """
    while True:
        polled = (await reader.getmany(PARTITION, timeout_ms=_POLL_MS)).get(PARTITION, ())
        if any(record.key == POSITION.encode() and _position(record.value) > last for record in polled):
            records = await read(bootstrap)
            if _position(records.get(POSITION)) > last:
                return records


def _position(value: bytes | None) -> int:
    """The next signal that the state waits for."""
    return int(json.loads(value)["position"]) if value else -1


async def _send(bootstrap: str, messages: Sequence[bytes]) -> int:
    """The highest offset among them. What the broker takes twice changes nothing: the second finds it done."""
    client = producer(bootstrap, idempotent=False, linger_ms=0)
    await client.start()
    try:
        return await send_all(client, messages)
    finally:
        await client.stop()


async def send_all(client: AIOKafkaProducer, messages: Sequence[bytes]) -> int:
    """Send commands one after the other; the offset of the last. Raises `KafkaError`."""
    sent = [await client.send_and_wait(SIGNALS.topic, value, key=b"operator", partition=0) for value in messages]
    return max(int(each.offset) for each in sent)
