"""Runner: the bare consumer. aiokafka's getmany, nothing decoded. Arguments: bootstrap, number of events."""

from __future__ import annotations

import asyncio
import sys

from infra.runtime.kafka import consumer
from streams.bench.measure import Stopwatch

TOPIC = "fleet.metrics"


async def run(bootstrap: str, events: int) -> None:
    """Read the topic from its beginning."""
    watch = Stopwatch(events)
    client = consumer(bootstrap, TOPIC)
    await client.start()
    try:
        done = False
        while not done:
            for records in (await client.getmany(timeout_ms=1000, max_records=10_000)).values():
                watch.start()
                done = watch.count(len(records))
        watch.report()
    finally:
        await client.stop()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2])))
