"""Runner: where the time of the stream worker goes, part by part, in one thread and under cProfile.

Arguments: bootstrap, number of events. The metrics of the topic, then a heartbeat and a run of two lifecycle events of
every agent, which had one before. cProfile makes what calls many small functions look dearer than it is; kernels and
Polars it leaves alone.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import pstats
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import CodeType, FunctionType
from typing import Any

from aiokafka import TopicPartition

from infra.runtime.columnar_fetch import RecordColumns, fetch_columns
from infra.runtime.ids import event_id, new_session_bits
from infra.runtime.kafka import consumer
from infra.runtime.memory import calm_garbage_collector
from schemas.record import encode_single_object
from schemas.registry import topic_schema
from streams import rows
from streams.bench.raw import TOPIC
from streams.evidence import note_beats, note_reports
from streams.forecasting import Forecaster
from streams.operators import anomaly, heartbeat, silent
from streams.pipeline import Pipeline, PipelineConfig
from streams.scores import Scores
from streams.signals import Signals
from streams.state.partition import PartitionState
from streams.warm_up import warm_up

TICK_EVERY_EVENTS = 60_000
"""At 300,000 events/s a tick each 0.2 s."""
_SIGNALS = [
    value
    for name, value in vars(Signals).items()
    if isinstance(value, FunctionType) and not name.startswith("_") and name not in ("use", "custom")
]
PARTS: Mapping[str, Iterable[Callable[..., Any]]] = {
    "decode": [Pipeline.decode],
    "slots of agents": [PartitionState.assign_agents],
    "trust": [Scores.note, note_reports, note_beats],
    "anomaly": [anomaly.update],
    "heartbeat": [heartbeat.update, heartbeat.scan],
    "silent": [silent.update, silent.scan],
    "forecast": [Forecaster.rows],
    "rules": _SIGNALS,
    "outputs": [rows.trust_messages, rows.anomaly_rows, rows.status_rows],
    "snapshots": [PartitionState.take_dirty_snapshots],
}
"""Functions by part; none of them calls another part."""


async def _read(bootstrap: str, events: int) -> tuple[list[RecordColumns], float]:
    """The topic as the worker fetches it, and the CPU seconds that it took."""
    client, count = consumer(bootstrap), 0
    batches: list[RecordColumns] = []
    await client.start()
    try:
        partitions = {TopicPartition(TOPIC, number) for number in await _numbers(client)}
        client.assign(partitions)
        began_s = time.process_time()
        while count < events:
            found = await fetch_columns(client, partitions, timeout_s=1.0, max_records=10_000)
            batches += found.values()
            count += sum(map(len, found.values()))
        return batches, time.process_time() - began_s
    finally:
        await client.stop()


async def _numbers(client: Any) -> set[int]:  # noqa: ANN401  # aiokafka ships no types
    await client._client.force_metadata_update()
    await client.topics()
    return set(client.partitions_for_topic(TOPIC) or ())


def _made_up(
    state: PartitionState, topic: str, fields: list[dict[str, Any]], now_s: float, number: int
) -> RecordColumns:
    """For every agent of a partition events with these fields; `number` of the round counts from 0."""
    schema, bits, now_us = topic_schema(topic), new_session_bits(), int(now_s * 1e6)
    values: list[bytes | None] = []
    for agent in state.agents.slots.keys:
        for more in fields:
            seq = len(values)
            envelope = {
                "event_id": event_id(now_us, bits, seq), "agent_id": agent, "user_id": "bench", "timestamp": now_us,
                "session_id": agent, "seq": seq, "run_id": f"{agent}-{number}", "thread_id": agent,
            }  # fmt: skip
            values.append(encode_single_object(schema, envelope | more))
    begin, end = number * len(values), (number + 1) * len(values)
    arrived_ms = [int(now_s * 1000)] * len(values)
    return RecordColumns(topic, state.partition, list(range(begin, end)), arrived_ms, values, end)


def _apply(pipeline: Pipeline, states: dict[int, PartitionState], batches: list[RecordColumns]) -> None:
    since_tick = 0
    for columns in batches:
        now_s = columns.timestamps_ms[-1] / 1000
        pipeline.apply(states[columns.partition], columns, now_s)
        since_tick += len(columns)
        if since_tick >= TICK_EVERY_EVENTS:
            since_tick = 0
            for state in states.values():
                pipeline.tick(state, now_s, beats_until_s=now_s, steps_until_s=now_s)


def _apply_and_keep(pipeline: Pipeline, states: dict[int, PartitionState], batches: list[RecordColumns]) -> None:
    """And one snapshot of everything, as after five seconds."""
    _apply(pipeline, states, batches)
    for state in states.values():
        state.take_dirty_snapshots()


def _profiled(work: Callable[[], None]) -> tuple[dict[str, float], float]:
    """Seconds by part, and all of them."""
    profiler = cProfile.Profile()
    profiler.runcall(work)
    stats: Any = pstats.Stats(profiler)
    cumulative = {key: value[3] for key, value in stats.stats.items()}
    spent = {part: sum(cumulative.get(_key(one.__code__), 0.0) for one in of) for part, of in PARTS.items()}
    return spent, float(stats.total_tt)


def _key(code: CodeType) -> tuple[str, int, str]:
    return code.co_filename, code.co_firstlineno, code.co_name


def _us_an_event(work: Callable[[], None], events: int) -> dict[str, float]:
    spent, total_s = _profiled(work)
    spent["the rest"] = total_s - sum(spent.values())
    return {part: round(seconds / events * 1e6, 3) for part, seconds in spent.items() if seconds / events > 1e-9}


def run(bootstrap: str, events: int) -> dict[str, dict[str, float]]:
    """Microseconds an event by part, for each kind of event."""
    pipeline = Pipeline(PipelineConfig())
    batches, fetched_s = asyncio.run(_read(bootstrap, events))
    now_s = batches[-1].timestamps_ms[-1] / 1000
    warm_up(pipeline, now_s)
    calm_garbage_collector()
    states = {number: pipeline.restore(number) for number in sorted({columns.partition for columns in batches})}
    count = sum(map(len, batches))
    found = {"metrics": {"fetch": round(fetched_s / count * 1e6, 3)}}
    found["metrics"] |= _us_an_event(lambda: _apply_and_keep(pipeline, states, batches), count)
    beat: dict[str, Any] = {"status": "healthy", "version": "1", "uptime_s": 1.0, "interval_s": 1.0}
    for kind, topic, fields in (
        ("heartbeats", "fleet.heartbeats", [beat]),
        ("lifecycle", "fleet.lifecycle", [{"kind": "agent_started"}, {"kind": "agent_completed"}]),
    ):
        first, second = (
            [_made_up(state, topic, fields, at_s, round_) for state in states.values()]
            for round_, at_s in enumerate((now_s, now_s + 1))
        )
        _apply(pipeline, states, first)  # what an agent's first event costs comes once
        found[kind] = _us_an_event(partial(_apply, pipeline, states, second), sum(map(len, second)))
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(sys.argv[1], int(sys.argv[2]))) + "\n")
