"""Runner: the stream application as it is, trust and anomalies on all values, outputs and commits included.

Arguments: bootstrap, number of events, application id (its changelog exists).
"""

from __future__ import annotations

import asyncio
import sys

from infra.runtime.clock import Clock, SystemClock
from infra.runtime.columnar_fetch import RecordColumns
from infra.runtime.kafka import producer, supports_idempotence
from infra.runtime.logs import configure_logs
from infra.runtime.memory import calm_garbage_collector
from infra.runtime.threads import switch_threads_often
from streams import app as application
from streams.bench.measure import Stopwatch
from streams.pipeline import Pipeline, PipelineConfig
from streams.progress import Progress
from streams.warm_up import warm_up
from streams.worker import tick_forever


async def run(bootstrap: str, events: int, app_id: str) -> None:
    """Process the topic with a group of its own, from the beginning; the last commit is part of the time."""
    await asyncio.to_thread(warm_up, Pipeline(PipelineConfig()), SystemClock().now_s())
    calm_garbage_collector()
    switch_threads_often()
    watch = Stopwatch(events)
    app = application.build_app(bootstrap, commit_interval_s=5.0, config=PipelineConfig(), app_id=app_id)
    app.output_producer = producer(bootstrap, idempotent=await supports_idempotence(bootstrap), linger_ms=0)
    over = asyncio.Event()

    class Measured(Progress):
        """Counts, and tells when all is done."""

        def begun(self) -> None:
            watch.start()

        def processed(self, columns: RecordColumns, clock: Clock) -> None:
            super().processed(columns, clock)
            if watch.count(len(columns)):
                over.set()

    app.progress = Measured()
    await app.output_producer.start()
    await app.start()
    ticks = asyncio.create_task(tick_forever(app))
    await over.wait()
    await app.consumer.commit()
    watch.report()
    ticks.cancel()
    await app.stop()
    await app.output_producer.stop()


if __name__ == "__main__":
    configure_logs("warning", "console", "bench")
    asyncio.run(run(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
