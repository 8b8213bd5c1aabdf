"""Runner: the loop that one writes first. aiokafka and fastavro, an average by agent, commits. No anomalies, no trust.

Arguments: bootstrap, number of events, group.
"""

from __future__ import annotations

import asyncio
import io
import sys
from typing import Any

import fastavro

from infra.runtime.kafka import consumer
from schemas.record import SINGLE_OBJECT_PREFIX_BYTES
from schemas.registry import topic_schema
from streams.bench.ewma import updated
from streams.bench.measure import Stopwatch
from streams.bench.raw import TOPIC


async def run(bootstrap: str, events: int, group: str) -> None:
    """Process the topic from its beginning."""
    watch = Stopwatch(events)
    schema = topic_schema(TOPIC).parsed
    averages: dict[str, float | None] = {}
    client = consumer(bootstrap, TOPIC, group_id=group)
    await client.start()
    try:
        done = False
        while not done:
            for records in (await client.getmany(timeout_ms=1000, max_records=10_000)).values():
                watch.start()
                for record in records:
                    body = io.BytesIO(record.value[SINGLE_OBJECT_PREFIX_BYTES:])
                    event: Any = fastavro.schemaless_reader(body, schema, None)
                    averages[event["agent_id"]] = updated(averages.get(event["agent_id"]), event)
                done = watch.count(len(records))
            await client.commit()
        watch.report()
    finally:
        await client.stop()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
