"""Helpers of the reporter's tests: a reader of topics, and a forwarder that stands between reporter and broker."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any

from infra.runtime.kafka import TopicPartition, consumer
from schemas.catalogue import TOPICS
from schemas.record import decode_record
from schemas.registry import SchemaBook

PRODUCED = tuple(topic.name for topic in TOPICS.values() if not topic.derived)


async def read_session(
    bootstrap: str, sessions: Iterable[str], at_least: int, *, topics: Iterable[str] = PRODUCED, deadline_s: float = 20.0
) -> dict[str, Counter[int]]:
    """Read topics from the beginning until each of `sessions` has `at_least` different numbers, or the deadline.

    Returns session_id -> Counter of seq (how often each number stands in the topics).
    """
    found: dict[str, Counter[int]] = {session: Counter() for session in sessions}
    async for _, record in records(bootstrap, topics, deadline_s):
        if record["session_id"] in found:
            found[record["session_id"]][record["seq"]] += 1
        if all(len(numbers) >= at_least for numbers in found.values()):
            break
    return found


async def records(bootstrap: str, topics: Iterable[str], deadline_s: float) -> Any:
    """Yield (topic, decoded record) from the beginning of every partition until the deadline."""
    client = consumer(bootstrap)
    await client.start()
    try:
        books = {topic: SchemaBook(TOPICS[topic].schema) for topic in topics}
        assigned = []
        for topic in books:
            await client._client._wait_on_metadata(topic)
            assigned += [TopicPartition(topic, p) for p in client.partitions_for_topic(topic) or ()]
        client.assign(assigned)
        await client.seek_to_beginning()
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline_s
        while loop.time() < end:
            batches = await client.getmany(timeout_ms=200)
            for tp, messages in batches.items():
                for message in messages:
                    yield tp.topic, decode_record(books[tp.topic], message.value)
    finally:
        await client.stop()
