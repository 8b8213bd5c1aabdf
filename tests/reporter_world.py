"""Helpers of the reporter's tests: topics of the catalogue on a broker, and what stands in them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import aclosing
from typing import Any

from infra.broker.interface import Broker
from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.kafka import TopicPartition, consumer
from infra.runtime.settings import load_settings
from schemas.catalogue import TOPICS
from schemas.record import decode_record
from schemas.registry import SchemaBook

PRODUCED = tuple(topic.name for topic in TOPICS.values() if not topic.derived)


async def make_topics(broker: Broker, only: Collection[str] = TOPICS) -> None:
    """The topics of the catalogue, or some of them."""
    await provision(broker.bootstrap, [plan for plan in plan_topics(load_settings()) if plan.name in only])


async def seqs_of(
    bootstrap: str, session: str, at_least: int, *, topics: Iterable[str] = PRODUCED, deadline_s: float = 120.0
) -> Counter[int]:
    """Read topics from the beginning until `session` has `at_least` different numbers, or the deadline.

    Returns how often each seq of the session stands in the topics.
    """
    found: Counter[int] = Counter()
    async with aclosing(events(bootstrap, topics, deadline_s)) as stream:
        async for _, record in stream:
            if record["session_id"] == session:
                found[record["seq"]] += 1
                if len(found) >= at_least:
                    break
    return found


async def events(
    bootstrap: str, topics: Iterable[str], deadline_s: float
) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
    """Yield (topic, decoded record) from the beginning of every partition until the deadline; close it when leaving."""
    client = consumer(bootstrap)
    await client.start()
    try:
        books = {topic: SchemaBook(TOPICS[topic].schema) for topic in topics}
        assigned: list[TopicPartition] = []
        for topic in books:
            assigned += [TopicPartition(topic, p) for p in await client._client._wait_on_metadata(topic)]
        client.assign(assigned)
        await client.seek_to_beginning()
        end = asyncio.get_running_loop().time() + deadline_s
        while asyncio.get_running_loop().time() < end:
            for tp, messages in (await client.getmany(timeout_ms=200)).items():
                for message in messages:
                    yield tp.topic, decode_record(books[tp.topic], message.value)
    finally:
        await client.stop()
