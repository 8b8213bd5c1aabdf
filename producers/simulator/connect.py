"""A started producer, with the topics that are to be written known to exist."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError

from infra.runtime import kafka
from infra.runtime.errors import TopicMismatchError

STOP_S = 5.0


@asynccontextmanager
async def connected(
    bootstrap: str, topics: Iterable[str]
) -> AsyncIterator[tuple[AIOKafkaProducer, dict[str, int], bool]]:
    """A producer, the number of partitions of each topic, and whether the broker stamps what it takes.

    Raises `BrokerUnreachableError`, and `TopicMismatchError` for a topic that the broker does not have (asking for
    one topic by name could make the broker create it, so all are asked for).
    """
    idempotent = await kafka.supports_idempotence(bootstrap)
    producer = kafka.producer(bootstrap, idempotent=idempotent, linger_ms=0)
    try:
        try:
            await producer.start()
        except (KafkaConnectionError, KafkaError) as error:
            raise kafka.unreachable(bootstrap) from error
        cluster = await producer.client.fetch_all_metadata()
        partitions = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}
        missing = sorted(topic for topic, count in partitions.items() if not count)
        if missing:
            raise TopicMismatchError(
                f"the broker at {bootstrap} has no topic {', '.join(missing)}",
                setting="--bootstrap",
                way_out="Create the topics with `fleetpulse topics create`",
            )
        yield producer, partitions, idempotent  # Tansu does neither
    finally:
        # aiokafka flushes for as long as it takes; whoever published here has waited long enough already.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await producer.stop()
