"""Runs the application until asked to stop: readiness, ticks, the stall watch, an exit code that tells the truth."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from infra.health import publishing
from infra.runtime.clock import SystemClock
from infra.runtime.errors import BrokerUnreachableError, FleetpulseError, TopicMismatchError
from infra.runtime.kafka import partition_counts, producer, supports_idempotence
from infra.runtime.lifecycle import CleanUps, stop_on_signals
from infra.runtime.logs import get_logger
from infra.runtime.memory import calm_garbage_collector
from infra.runtime.threads import switch_threads_often
from schemas.catalogue import STREAMS_CHANGELOG
from streams.app import StreamApp, build_app
from streams.health import StreamHealth, has_nothing_to_do, lag_of
from streams.outputs import Outputs
from streams.pipeline import SOURCES, Pipeline, PipelineConfig
from streams.progress import StallWatch
from streams.rules.watch import LOOK_EVERY_S, RulesFile
from streams.state.partition import PartitionState
from streams.warm_up import OUTPUT_TOPICS, warm_up

TICK_S = 0.2
"""How long a trust score may wait for others of its partition, and how often heartbeat deadlines are looked at."""
LONGEST_TICK_S = 0.5
_TICK_SHARE = 0.15
"""Of the time at most: with many agents ticks are further apart, up to `LONGEST_TICK_S`, and a score tells more."""
STALL_PATIENCE_S = 60.0
STOP_DEADLINE_S = 20.0
FAILED_DEADLINE_S = 5.0
"""For the clean-ups of a worker that gave up: what it has not committed is done again by another."""
_END_AFTER_S = 5.0
_log = get_logger("streams")


class StreamWorkerError(FleetpulseError):
    """The worker gave up; what it had not committed is processed again by whoever takes over."""


async def check_topics(bootstrap: str) -> int:
    """The common partition count of the source topics and the changelog.

    Raises `TopicMismatchError` when one is missing or counts differ: an agent's topics would be processed by different
    workers. Raises `BrokerUnreachableError`.
    """
    existing = await partition_counts(bootstrap)
    counts = {name: existing.get(name, 0) for name in (*SOURCES, STREAMS_CHANGELOG)}
    missing = [name for name, count in counts.items() if count == 0]
    if missing:
        raise TopicMismatchError(
            f"topics are missing on {bootstrap}: {', '.join(missing)}",
            way_out="Create them with `fleetpulse topics create`",
        )
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} has {count}" for name, count in sorted(counts.items()))
        raise TopicMismatchError(
            f"source topics must have equal partition counts, but {listed}",
            setting="FLEETPULSE_PARTITIONS",
            way_out="Recreate the topic that differs, or run `fleetpulse topics check`",
        )
    return next(iter(counts.values()))


async def tick_forever(app: StreamApp) -> None:
    """Look at deadlines and publish coalesced scores, every `TICK_S`; the lock keeps batches and ticks apart."""
    worked_s = 0.0
    while True:
        await asyncio.sleep(min(max(TICK_S, worked_s / _TICK_SHARE), LONGEST_TICK_S))
        # Side by side: one partition may be waiting for its snapshot.
        turns = await asyncio.gather(*(_tick(app, state) for state in app.partitions.values()))
        worked_s = sum(took_s for took_s, _ in turns)
        await asyncio.gather(*(asyncio.shield(answer) for _, answer in turns if answer is not None))
        app.progress.idle_turns += has_nothing_to_do(app)


async def _tick(app: StreamApp, state: PartitionState) -> tuple[float, asyncio.Future[None] | None]:
    """One look at one partition: its processor time, s, and the answer to what was sent, if anything was."""
    assert app.pipeline is not None
    async with app.changing(state):
        now_s = app.clock.now_s()
        look = partial(
            app.pipeline.tick,
            state,
            now_s,
            beats_until_s=_seen_until_s(app, "fleet.heartbeats", state.partition, now_s),
            steps_until_s=_seen_until_s(app, "fleet.lifecycle", state.partition, now_s),
            until_s=_others_until_s(app, state.partition, now_s),
        )
        outputs, worked_s = await asyncio.to_thread(_timed, look)
        return worked_s, app.send(state, outputs)


def _timed(work: Callable[[], Outputs]) -> tuple[Outputs, float]:
    """What `work` returns, and its processor time, s: what it waits for, others' work at most, is no reason to wait."""
    began_s = time.thread_time()
    outputs = work()
    return outputs, time.thread_time() - began_s


def _others_until_s(app: StreamApp, partition: int, now_s: float) -> dict[str, float]:
    """The same of the topics that absence rules name beside these two, where it is known."""
    assert app.pipeline is not None
    named = {rule.topic for rule in app.pipeline.signals.engine.absences}
    found = {topic: _seen_until_s(app, topic, partition, now_s) for topic in named}
    return {topic: until_s for topic, until_s in found.items() if until_s is not None}


async def _follow_rules(app: StreamApp, file: RulesFile | None) -> None:
    """Judge by what the file of rules says now; a bad one keeps the old rules."""
    assert app.pipeline is not None
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        pack = None if file is None else await asyncio.to_thread(file.look)
        if pack is not None:
            app.pipeline.signals.use(pack)


def _seen_until_s(app: StreamApp, topic: str, partition: int, now_s: float) -> float | None:
    """Wall time up to which all records of a partition that reached the broker have been processed; None at first.

    That is when the last processed record arrived, or when the broker last answered that there is no more. A worker
    that was busy, or cut off, must not take its own silence for the agents'.
    """
    seen_ms = app.progress.arrived_ms.get((topic, partition))
    position = app.progress.position.get((topic, partition), 0)
    for tp in app.consumer.assignment():
        if tp.topic == topic and tp.partition == partition:
            end, fetched_ms = app.fetched(tp)
            if end is not None and fetched_ms is not None and position >= end:
                seen_ms = max(seen_ms or 0, fetched_ms)
    return None if seen_ms is None else min(seen_ms / 1000, now_s)


async def _watch(app: StreamApp) -> None:
    """Raise when records wait and none is processed, or when one batch is never finished while others are."""
    watch = StallWatch(STALL_PATIENCE_S)
    while True:
        await asyncio.sleep(5.0)
        if (waited_s := app.consumer.longest_in_flight_s()) > STALL_PATIENCE_S:
            raise StreamWorkerError(f"a batch that was read {waited_s:.0f} s ago is still not processed")
        if watch.is_stalled(lag_of(app), app.progress.batches, app.clock.monotonic_s()):
            raise StreamWorkerError(f"no progress for {STALL_PATIENCE_S:.0f} s with {lag_of(app)} records waiting")


async def _crashed(app: StreamApp) -> None:
    """Raise when Faust gives up."""
    await app.wait_until_stopped()
    reason: Any = app.crash_reason
    raise StreamWorkerError(f"the stream application stopped by itself: {reason!r}") from reason


async def _gave_up(app: StreamApp) -> None:
    """Raise when a person has to mend something first."""
    await app.gave_up.wait()
    assert app.unable is not None
    raise app.unable


async def _announce(app: StreamApp, bootstrap: str) -> None:
    """Print the ready line once partitions have been recovered, or the group has been joined without any.

    Partitions are counted again: a broker that was given some a moment ago may not have told of them at the start.
    Raises `TopicMismatchError`.
    """
    await app.settled.wait()
    with contextlib.suppress(BrokerUnreachableError):  # away meanwhile: it is asked for nothing else either
        await check_topics(bootstrap)
    sys.stdout.write(
        json.dumps({"event": "ready", "process": "stream-worker", "partitions": sorted(app.partitions)}) + "\n"
    )
    sys.stdout.flush()


async def run_worker(
    bootstrap: str, *, commit_interval_s: float, config: PipelineConfig, rules: Path | None = None
) -> None:
    """Process until SIGINT or SIGTERM; `rules` is the file of `config.rules`, followed as it changes.

    Raises `FleetpulseError` when it cannot start or cannot go on.
    """
    await check_topics(bootstrap)
    calm_garbage_collector()
    switch_threads_often()
    idempotent = await supports_idempotence(bootstrap)
    await asyncio.to_thread(warm_up, Pipeline(config), SystemClock().now_s())
    app = build_app(bootstrap, commit_interval_s=commit_interval_s, config=config)
    app.output_producer = producer(bootstrap, idempotent=idempotent, linger_ms=0)
    app.snapshots_one_by_one = not idempotent  # both mark Tansu
    file = None if rules is None else RulesFile(rules, config.rules)
    clean_ups = CleanUps()
    with stop_on_signals() as asked:
        try:
            await app.output_producer.start()
            clean_ups.add("output producer", app.output_producer.stop)
            for topic in OUTPUT_TOPICS:  # else the first rows of each wait for the broker to say where it is
                await app.output_producer.partitions_for(topic)
            await app.start()
            clean_ups.add("faust", app.stop)
            async with publishing(StreamHealth(app, app.clock, file), bootstrap, process="stream-worker"):
                await _run_until(asked, app, file, bootstrap)
        finally:
            deadline_s = STOP_DEADLINE_S if asked.is_set() else FAILED_DEADLINE_S
            _end_for_sure(deadline_s + _END_AFTER_S)
            await clean_ups.run(deadline_s)


async def _run_until(asked: asyncio.Event, app: StreamApp, file: RulesFile | None, bootstrap: str) -> None:
    """Work until asked to stop. Raises what the worker gave up for."""
    tasks = [
        asyncio.create_task(work)
        for work in (
            tick_forever(app),
            _watch(app),
            _crashed(app),
            _gave_up(app),
            _announce_forever(app, bootstrap),
            _follow_rules(app, file),
        )
    ]
    stop = asyncio.create_task(asked.wait())
    done, _ = await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in (stop, *tasks):
        task.cancel()
    await asyncio.gather(stop, *tasks, return_exceptions=True)
    for task in done - {stop}:
        task.result()


def _end_for_sure(after_s: float) -> None:
    """End the process after `after_s`, whatever still runs: Faust's consumer thread can outlive a crash for ever."""
    timer = threading.Timer(after_s, os._exit, (1,))
    timer.daemon = True
    timer.start()


async def _announce_forever(app: StreamApp, bootstrap: str) -> None:
    """The ready line, then nothing: a task that ends would end the worker."""
    await _announce(app, bootstrap)
    await asyncio.Event().wait()
