"""What the tests of streams share: a fleet with known events, the real worker process, and the oracle.

The oracle rebuilds operator state from the topics alone, one batch a topic and partition, and compares it with what a
worker that takes over now would have: the snapshots of the changelog and the records after the committed offsets.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.batch_send import partition_of, send_records
from infra.runtime.columnar_fetch import RecordColumns
from infra.runtime.ids import event_id, new_session_bits
from infra.runtime.kafka import consumer, partition_counts, producer
from infra.runtime.settings import load_settings
from schemas.catalogue import METRICS, STREAM_SOURCES, STREAMS_CHANGELOG
from schemas.record import decode_record, encode_single_object
from schemas.registry import SchemaBook, topic_schema
from streams.pipeline import Pipeline, PipelineConfig
from streams.state.epochs import newest
from streams.state.partition import PartitionState

FLEETPULSE = str(Path(sys.executable).with_name("fleetpulse"))
GROUP = "fleetpulse-streams"
PARTITIONS = 4
NOW_S = 1_790_000_000.0


def pipeline() -> Pipeline:
    """A pipeline with the settings that workers have."""
    return Pipeline(PipelineConfig())


def columns(topic: str, values: Sequence[bytes | None], *, first: int = 0, partition: int = 0) -> RecordColumns:
    """A batch as the consumer would hand it out; offsets without gaps from `first`."""
    offsets = list(range(first, first + len(values)))
    arrived_ms = [int(NOW_S * 1000)] * len(values)
    return RecordColumns(topic, partition, offsets, arrived_ms, list(values), first + len(values))


def event(topic: str, agent: str, at_s: float, **more: object) -> bytes:
    """A whole message of a topic, from what the test cares for."""
    at_us = int(at_s * 1e6)
    given: dict[str, object] = {
        "event_id": event_id(at_us, 7, int(more.get("seq", 0))),  # type: ignore[call-overload]  # tests give ints
        "agent_id": agent,
        "user_id": "tenant",
        "timestamp": at_us,
        "session_id": f"{agent}-session",
        "seq": 0,
    }
    schema = topic_schema(topic)
    return encode_single_object(schema, {f["name"]: _value(f, given | more) for f in schema.raw["fields"]})


def _value(spec: Mapping[str, Any], given: Mapping[str, object]) -> object:
    if spec["name"] in given:
        return given[spec["name"]]
    kind = spec["type"]
    if isinstance(kind, list):
        return None
    name = kind["type"] if isinstance(kind, dict) else kind
    return {"string": "", "array": [], "boolean": False, "double": 0.0, "bytes": b""}.get(name, 0)


def facts(state: PartitionState) -> dict[str, dict[str, Any]]:
    """What of a state follows from the records alone, by agent; what ticks of the clock add is left out."""
    found: dict[str, dict[str, Any]] = {}
    for name, store in state.stores.items():
        for slot, key in enumerate(store.slots.keys):
            of_key = found.setdefault(f"{name}/{key}", {})
            for array, fields in store.arrays.items():
                if array == "alerts":
                    continue
                taken = fields.take([slot])
                kept = ("last_s", "beats", "interval_s", "progress") if array == "heartbeat" else tuple(taken)
                of_key |= {f"{array}.{column}": taken[column][0] for column in kept}
    return found


def assert_same_facts(actual: PartitionState, expected: PartitionState) -> None:
    """Equal agents with equal state; sums of evidence up to the rounding of another order."""
    one, other = facts(actual), facts(expected)
    assert one.keys() == other.keys()
    for key, values in other.items():
        for column, value in values.items():
            close = column in {"trust.good", "trust.bad", "trust.factors"}
            np.testing.assert_allclose(
                one[key][column], value, rtol=1e-9 if close else 0, atol=0, err_msg=f"{key} {column}", equal_nan=True
            )


async def create_topics(bootstrap: str, partitions: int = PARTITIONS) -> None:
    """The catalogue and the changelog."""
    await provision(bootstrap, plan_topics(load_settings(partitions=partitions)))


@dataclass
class Fleet:
    """Publishes events of some agents: agent 0 breaks policies, agent 1 begins to answer slowly.

    `bad`: topic, partition and offset of what cannot be read.
    """

    bootstrap: str
    agents: int = 40
    partitions: int = PARTITIONS
    seed: int = 1
    published: int = 0
    bad: set[tuple[str, int, int]] = field(default_factory=set)
    _seq: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    _bits: int = field(default_factory=new_session_bits)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._rounds = 0

    def name(self, agent: int) -> str:
        """The agent's id."""
        return f"agent-{agent:04d}"

    def _event(self, topic: str, agent: int, at_s: float, **more: object) -> tuple[str, int, bytes, bytes]:
        seq = self._seq[agent]
        self._seq[agent] += 1
        name = self.name(agent)
        key = name.encode()
        more |= {"seq": seq, "event_id": event_id(int(at_s * 1e6), self._bits + agent, seq)}
        return topic, partition_of(key, self.partitions), key, event(topic, name, at_s, **more)

    def round(self, at_s: float) -> list[tuple[str, int, bytes, bytes]]:
        """(topic, partition, key, value) of one event or more of every agent."""
        found = []
        for agent in range(self.agents):
            values = dict(zip(METRICS, self._rng.normal(100, 1, len(METRICS)).tolist(), strict=True))
            if agent == 1 and self._rounds > 30:
                values["response_time"] += 1000
            custom = [{"name": "queue", "value": float(self._rng.normal(5, 1))}] if agent % 7 == 0 else []
            values |= {"compliance_rate": 0.9, "policy_checks": 2}
            found.append(self._event("fleet.metrics", agent, at_s, **values, custom=custom))
            if agent == 0:
                found.append(self._event("fleet.violations", agent, at_s, severity="critical"))
            if (self._rounds + agent) % 3 == 0:
                found.append(self._event("fleet.heartbeats", agent, at_s, status="online", host="host-1"))
            if agent % 11 == 0:
                found.append(self._event("fleet.hosts", agent, at_s, cpu_usage=float(self._rng.normal(50, 5))))
        self._rounds += 1
        return found

    async def publish(self, rounds: int, *, poison: Sequence[bytes | None] = (), pause_s: float = 0.0) -> None:
        """Rounds of events, each acknowledged before the next; `poison` goes between the events of every fifth."""
        client = producer(self.bootstrap, idempotent=False)
        await client.start()
        try:
            for number in range(rounds):
                await self._send(client, poison if number % 5 == 4 else ())
                await asyncio.sleep(pause_s)
        finally:
            await client.stop()

    async def _send(self, client: Any, poison: Sequence[bytes | None]) -> None:  # noqa: ANN401  # aiokafka's producer
        now_s = time.time()
        by_topic: dict[str, list[tuple[int, bytes | None, bytes, int]]] = defaultdict(list)
        for topic, partition, key, value in self.round(now_s):
            by_topic[topic].append((partition, key, value, int(now_s * 1000)))
            self.published += 1
        for topic, rows in by_topic.items():
            middle = len(rows) // 2
            await send_records(client, topic, rows[:middle])
            for number, value in enumerate(poison):
                partition = number % self.partitions
                key = b"tombstone" if value is None else None
                sent = await client.send_and_wait(topic, value, key=key, partition=partition)
                self.bad.add((topic, partition, sent.offset))
            await send_records(client, topic, rows[middle:])


Records = dict[tuple[str, int], list[Any]]


async def read_topics(bootstrap: str, *topics: str) -> Records:
    """All records of some topics by topic and partition, as aiokafka's own `getmany` gives them.

    Up to where the logs end when this begins, however long a busy broker takes for it. Tansu reports the base offset of
    the last batch + 1 as the end; a fetch gives whole batches, so none is left half read.
    """
    counts = await partition_counts(bootstrap)
    tps = [TopicPartition(topic, number) for topic in topics for number in range(counts[topic])]
    found: Records = {(tp.topic, tp.partition): [] for tp in tps}
    reader = consumer(bootstrap)
    await reader.start()
    try:
        reader.assign(tps)
        for tp in tps:
            reader.seek(tp, 0)
        unread = await reader.end_offsets(tps)
        while unread := {tp: end for tp, end in unread.items() if await reader.position(tp) < end}:
            for tp, some in (await reader.getmany(timeout_ms=400)).items():
                found[tp.topic, tp.partition] += some
    finally:
        await reader.stop()
    return found


async def read_rows(bootstrap: str, topic: str) -> list[dict[str, Any]]:
    """All rows of a derived topic, decoded."""
    book = SchemaBook(topic_schema(topic).name)
    records = await read_topics(bootstrap, topic)
    return [decode_record(book, record.value) for some in records.values() for record in some]


async def committed_offsets(bootstrap: str) -> dict[tuple[str, int], int]:
    """What the group has committed, by topic and partition; the sources only."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        tps = [TopicPartition(topic, number) for topic in STREAM_SOURCES for number in range(PARTITIONS)]
        found = await admin.list_consumer_group_offsets(GROUP, partitions=tps)
    finally:
        await admin.close()
    return {(tp.topic, tp.partition): max(meta.offset, 0) for tp, meta in found.items()}


@dataclass
class Rebuild:
    """State from the topics alone, and state as a worker that takes over now would have it, by partition."""

    expected: dict[int, PartitionState]
    recovered: dict[int, PartitionState]
    committed: dict[tuple[str, int], int]
    ends: dict[tuple[str, int], int]

    def assert_equal(self) -> None:
        """Nothing is lost and nothing counts twice."""
        for number, state in self.expected.items():
            assert_same_facts(self.recovered[number], state)

    @property
    def all_committed(self) -> bool:
        """Whether the group has committed the end of every source."""
        return all(self.committed[tp] == end for tp, end in self.ends.items())


def _as_columns(topic: str, partition: int, records: Sequence[Any]) -> RecordColumns:
    return RecordColumns(
        topic,
        partition,
        [r.offset for r in records],
        [r.timestamp for r in records],
        [r.value for r in records],
        records[-1].offset + 1,
    )


async def rebuild(bootstrap: str) -> Rebuild:
    """Read everything back; call it while no worker runs."""
    committed = await committed_offsets(bootstrap)
    records = await read_topics(bootstrap, *STREAM_SOURCES, STREAMS_CHANGELOG)
    line = pipeline()
    expected, recovered = {}, {}
    for number in range(PARTITIONS):
        latest = {record.key: record.value for record in records.pop((STREAMS_CHANGELOG, number))}
        snapshots = newest({key: raw for key, raw in latest.items() if raw is not None})
        expected[number], recovered[number] = line.restore(number), line.restore(number, snapshots.values())
    for (topic, number), some in records.items():
        rest = [record for record in some if record.offset >= committed[topic, number]]
        for state, replayed in ((expected[number], some), (recovered[number], rest)):
            if replayed:
                line.apply(state, _as_columns(topic, number, replayed), time.time())
    ends = {tp: some[-1].offset + 1 if some else 0 for tp, some in records.items()}
    return Rebuild(expected, recovered, committed, ends)


class WorkerProcess:
    """`fleetpulse stream-worker` as users start it."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self.log = log

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text()[-4000:]

    async def ready(self) -> dict[str, Any]:
        """Its ready line."""
        assert self.process.stdout is not None
        async with asyncio.timeout(240):  # five that start at once on a machine with other work took 40 s
            line = await self.process.stdout.readline()
        assert line, self.said()
        found: dict[str, Any] = json.loads(line)
        return found

    async def died(self, within_s: float = 240) -> int:
        """Wait for its end; its exit status."""
        try:
            async with asyncio.timeout(within_s):
                return await self.process.wait()
        except TimeoutError as error:
            raise AssertionError(f"still alive after {within_s:g} s: {self.said()}") from error

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.process.kill()
        await self.died()

    async def stop(self, within_s: float = 120) -> int:
        """SIGTERM, then its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return await self.died(within_s)


@contextlib.asynccontextmanager
async def worker(
    bootstrap: str, folder: Path, *, crash_at: str = "", commit_interval_s: float = 0.3
) -> AsyncIterator[WorkerProcess]:
    """A worker process; killed at the end of the block if it still lives."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLEETPULSE_")}
    environment["FLEETPULSE_SELF_AUDIT"] = "false"  # the topics hold what the test published, nothing else
    if crash_at:
        environment["FLEETPULSE_CRASH_AT"] = crash_at
    log = folder / f"worker-{time.monotonic_ns()}.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            FLEETPULSE, "stream-worker", "--bootstrap", bootstrap, "--commit-interval", str(commit_interval_s),
            env=environment, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=errors,
        )  # fmt: skip
    try:
        yield WorkerProcess(process, log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def caught_up(bootstrap: str, fleet: Fleet, within_s: float = 240) -> None:
    """Wait until the group has committed all that the fleet published; counts records, bad ones too."""
    wanted = fleet.published + len(fleet.bad)
    end = time.monotonic() + within_s
    while (done := sum((await committed_offsets(bootstrap)).values())) < wanted:
        assert time.monotonic() < end, f"{done} of {wanted} committed after {within_s} s"
        await asyncio.sleep(0.2)
