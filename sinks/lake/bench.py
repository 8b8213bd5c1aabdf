"""`fleetpulse bench lake`: this writer against a loop written by hand with aiokafka, fastavro and pyarrow.

Both read the same topic of the same broker, in turn, several times; the median counts. The clock runs from the first
fetch until the last row is in a finished file. By hand: `getmany`, `schemaless_reader` a record, one table and one
Parquet file (zstd) for 50,000 records, no duplicates found, no offsets kept: less than the writer does.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq

from infra.runtime import console
from infra.runtime.columnar_fetch import fetch_columns
from infra.runtime.kafka import TopicPartition, consumer
from infra.runtime.settings import PREFIX, load_settings
from schemas.record import SINGLE_OBJECT_PREFIX_BYTES
from schemas.registry import topic_schema
from sinks.lake.compaction import CompactionOptions, Compactor
from sinks.lake.naming import visible_files
from sinks.lake.options import LakeOptions
from sinks.lake.service import LakeService

TOPIC = "fleet.metrics"
EVENTS_VARIABLE, ROUNDS_VARIABLE = f"{PREFIX}BENCH_EVENTS", f"{PREFIX}BENCH_ROUNDS"
_AGENTS, _PARTITIONS = 10_000, 4
_BY_HAND_ROWS = 50_000
_SILENCE_S = 5.0


@dataclass(frozen=True)
class Measured:
    """One run: events, wall seconds, CPU seconds of the process."""

    events: int
    wall_s: float
    cpu_s: float

    @property
    def us_per_event(self) -> float:
        """Wall micros an event."""
        return self.wall_s / self.events * 1e6


class _Stopwatch:
    def __init__(self) -> None:
        self._wall_s, self._cpu_s = time.perf_counter(), time.process_time()

    def read(self, events: int) -> Measured:
        return Measured(events, time.perf_counter() - self._wall_s, time.process_time() - self._cpu_s)


def _fill(bootstrap: str, folder: Path, events: int) -> None:
    console.run("topics", "create", "--broker", bootstrap, "--partitions", str(_PARTITIONS))
    fill = ("--fill", TOPIC, "--events", str(events), "--agents", str(_AGENTS))
    console.run("simulate", *fill, "--bootstrap", bootstrap, "--data-dir", str(folder))


async def _count(bootstrap: str) -> int:
    """Records in the topic: read until nothing comes, for Tansu does not tell the end."""
    client = consumer(bootstrap, TOPIC)
    await client.start()
    try:
        found = 0
        while fetched := await fetch_columns(client, timeout_s=_SILENCE_S):
            found += sum(map(len, fetched.values()))
        return found
    finally:
        await client.stop()


def _write_by_hand(records: list[dict[str, Any]], folder: Path) -> None:
    pq.write_table(pa.Table.from_pylist(records), folder / f"{uuid4().hex}.parquet", compression="zstd")


async def hand_written(bootstrap: str, folder: Path, events: int) -> Measured:
    """The loop that one writes first."""
    schema = topic_schema(TOPIC).parsed
    client = consumer(bootstrap, TOPIC)
    await client.start()
    try:
        watch, done = _Stopwatch(), 0
        records: list[dict[str, Any]] = []
        while done < events:
            for messages in (await client.getmany(timeout_ms=200, max_records=10_000)).values():
                for message in messages:
                    body = io.BytesIO(message.value[SINGLE_OBJECT_PREFIX_BYTES:])
                    record: Any = fastavro.schemaless_reader(body, schema, None)
                    record["kafka_partition"], record["kafka_offset"] = message.partition, message.offset
                    records.append(record)
                done += len(messages)
            if len(records) >= _BY_HAND_ROWS or done >= events:
                _write_by_hand(records, folder)
                records = []
        return watch.read(done)
    finally:
        await client.stop()


async def ours(bootstrap: str, lake: Path, events: int) -> Measured:
    """The lake writer as it runs in `fleetpulse lake write`, with its defaults but for compaction."""
    options = LakeOptions(lake=lake, bootstrap=bootstrap, group=f"bench-{uuid4().hex}", topics=(TOPIC,), compact=False)
    service, stop = LakeService(options), asyncio.Event()
    ready: asyncio.Future[_Stopwatch] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(service.run(stop, lambda _: ready.set_result(_Stopwatch())))
    both: list[asyncio.Future[Any]] = [ready, running]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    watch = ready.result()
    while _landed(service) < events:
        await service.tally.round_ended()
    measured = watch.read(events)
    stop.set()
    await running
    return measured


def _landed(service: LakeService) -> int:
    now = service.statistics()
    return sum(int(now.get(name, 0)) for name in ("rows", "duplicates", "bad"))


def _bytes_per_event(lake: Path, events: int) -> float:
    return sum(file.stat().st_size for file in visible_files(lake, "metrics")) / events


async def _measure(bootstrap: str, folder: Path, events: int, rounds: int) -> dict[str, Any]:
    by_hand, by_us = [], []
    lake = folder
    for number in range(rounds):
        hand_folder, lake = folder / f"hand-{number}", folder / f"lake-{number}"
        hand_folder.mkdir()
        by_hand.append(await hand_written(bootstrap, hand_folder, events))
        by_us.append(await ours(bootstrap, lake, events))
    raw = _bytes_per_event(lake, events)
    Compactor(lake, CompactionOptions(grace_s=0.0)).run(time.time(), everything=True)
    hand_us, our_us = (statistics.median(m.us_per_event for m in runs) for runs in (by_hand, by_us))
    return {
        "events": events,
        "rounds": rounds,
        "hand_written": {"us_per_event": hand_us, "events_per_s": 1e6 / hand_us},
        "ours": {
            "us_per_event": our_us,
            "events_per_s": 1e6 / our_us,
            "cpu_us_per_event": statistics.median(m.cpu_s / m.events for m in by_us) * 1e6,
            "bytes_per_event": raw,
            "bytes_per_event_compacted": _bytes_per_event(lake, events),
        },
        "ratios": {"ours_to_hand_written": hand_us / our_us},
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def run(folder: Path) -> dict[str, Any]:
    """Measure in `folder`; a broker that already has events in the topic is measured with those."""
    with console.broker(folder) as (bootstrap, _):
        if load_settings().bootstrap and asyncio.run(_has_events(bootstrap)):
            events = asyncio.run(_count(bootstrap))
        else:
            events = int(os.environ.get(EVENTS_VARIABLE, "500000"))
            _fill(bootstrap, folder, events)
        rounds = int(os.environ.get(ROUNDS_VARIABLE, "3"))
        return asyncio.run(_measure(bootstrap, folder, events, rounds))


async def _has_events(bootstrap: str) -> bool:
    client = consumer(bootstrap, TOPIC)
    await client.start()
    try:
        partitions = [TopicPartition(TOPIC, p) for p in client.partitions_for_topic(TOPIC) or ()]
        return bool(partitions) and any((await client.end_offsets(partitions)).values())
    finally:
        await client.stop()


def main(json_output: bool) -> None:  # the shape that `fleetpulse bench` calls
    """Run and print, as JSON or for people."""
    with tempfile.TemporaryDirectory(prefix="fleetpulse-bench-lake-") as folder:
        found = run(Path(folder))
    if json_output:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return
    us, hand = found["ours"], found["hand_written"]
    sys.stdout.write(
        f"{found['events']} {TOPIC} events, median of {found['rounds']} runs\n"
        f"  written by hand   {hand['us_per_event']:8.2f} us an event {hand['events_per_s']:12,.0f} events/s\n"
        f"  lake writer       {us['us_per_event']:8.2f} us an event {us['events_per_s']:12,.0f} events/s"
        f"   ({us['cpu_us_per_event']:.2f} us CPU)\n"
        f"  times as fast     {found['ratios']['ours_to_hand_written']:8.1f}\n"
        f"  bytes an event    {us['bytes_per_event']:8.1f} as landed, {us['bytes_per_event_compacted']:.1f} compacted\n"
        f"  peak memory       {found['peak_rss_bytes'] / 2**20:8.0f} MiB, both together\n"
    )
