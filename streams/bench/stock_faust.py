"""Runner: Faust as it comes. An agent and a table with an average by agent; fastavro as the codec.

Arguments: bootstrap, number of events, application id. Faust creates the table's changelog itself.
"""

from __future__ import annotations

import asyncio
import io
import sys
import tempfile
from typing import Any

import fastavro
import faust

from schemas.record import SINGLE_OBJECT_PREFIX_BYTES
from schemas.registry import topic_schema
from streams.bench.ewma import updated
from streams.bench.measure import Stopwatch
from streams.bench.raw import TOPIC


async def run(bootstrap: str, events: int, app_id: str, folder: str) -> None:
    """Process the first `events` of the topic; Faust's own files go to `folder`."""
    watch = Stopwatch(events)
    schema = topic_schema(TOPIC).parsed
    over = asyncio.Event()
    app = faust.App(
        app_id,
        broker=f"kafka://{bootstrap}",
        store="memory://",
        datadir=folder,
        web_enabled=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        topic_partitions=4,
        stream_wait_empty=False,
    )
    averages = app.Table("average", partitions=4)
    source = app.topic(TOPIC, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")

    @app.agent(source)  # type: ignore[untyped-decorator]  # Faust ships no usable types
    async def average(stream: Any) -> None:  # noqa: ANN401  # Faust's own type
        async for raw in stream:
            watch.start()
            event: Any = fastavro.schemaless_reader(io.BytesIO(raw[SINGLE_OBJECT_PREFIX_BYTES:]), schema, None)
            averages[event["agent_id"]] = updated(averages.get(event["agent_id"]), event)
            if watch.count(1) and not over.is_set():
                watch.report()
                over.set()

    await app.start()
    await over.wait()
    await app.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(run(sys.argv[1], int(sys.argv[2]), sys.argv[3], scratch))
