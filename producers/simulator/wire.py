"""From the rows of a tick to Kafka keys and values, grouped by partition."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infra.runtime.batch_send import partition_of
from infra.runtime.id_columns import event_ids
from infra.runtime.ids import event_id
from producers.simulator.fleet import Fleet
from producers.simulator.rows import BeatRows, MetricRows, Record, Rows, Session, Tick
from producers.simulator.small import VERSION
from schemas.catalogue import METRICS
from schemas.encode import (
    NULL,
    Column,
    Constant,
    Doubles,
    Fixed,
    Longs,
    Pool,
    Pooled,
    encode_long,
    encode_optional,
    encode_parts,
    encode_string,
)
from schemas.record import encode_single_object
from schemas.registry import topic_schema

I64 = NDArray[np.int64]
METRICS_TOPIC = "fleet.metrics"
BEATS_TOPIC = "fleet.heartbeats"
SMALL_TOPICS = ("fleet.lifecycle", "fleet.runs", "fleet.violations", "fleet.logs")
TOPICS = (METRICS_TOPIC, BEATS_TOPIC, *SMALL_TOPICS)
_MEMORY_TOTAL_BYTES = 16 * 1024**3


@dataclass(frozen=True, slots=True)
class Shipment:
    """Messages for one partition: parallel lists, and the session of each (i8[messages])."""

    topic: str
    partition: int
    keys: list[bytes]
    values: list[bytes]
    timestamps_ms: list[int]
    sessions: I64


class Wire:
    """Encodes the events of one fleet. What is constant for an agent or session is encoded once.

    `partitions`: number of partitions of each topic that is written.
    """

    def __init__(self, fleet: Fleet, partitions: dict[str, int]) -> None:
        self._fleet = fleet
        self._keys = [agent_id.encode() for agent_id in fleet.agents.ids]
        self._partition_of = {
            count: np.array([partition_of(key, count) for key in self._keys], np.int64)
            for count in set(partitions.values())
        }
        self._partitions = partitions
        who = zip(fleet.agents.ids, fleet.agents.users, fleet.agents.deployments, strict=True)
        self._agents = Pool.of(
            [encode_string(a) + encode_string(u) + encode_optional(encode_string(d)) for a, u, d in who]
        )
        self._sessions = Pool.of([])
        self._session_bits = np.empty(0, np.int64)
        self._beat_head = {
            s: encode_string("stopping" if s else "healthy") + encode_string(VERSION) for s in (False, True)
        }
        self._beat_promise = encode_optional(_double(fleet.shares.beat_interval_s)) + NULL
        self._hosts = Pool.of([encode_optional(encode_string(host)) for host in fleet.agents.hosts])
        self._beat_tail = _beat_tail()
        self._beat_machine = _beat_machine()

    def ship(self, tick: Tick) -> Iterator[Shipment]:
        """The messages of a tick, one shipment per topic and partition that has any."""
        self._learn_sessions()
        yield from self.ship_metrics(METRICS_TOPIC, tick.metrics)
        yield from self._ship_beats(tick.beats)
        yield from self._ship_records(tick.records)

    def ship_metrics(self, topic: str, rows: MetricRows) -> Iterator[Shipment]:
        """Metrics to any topic that carries them."""
        self._learn_sessions()
        order, bounds = self._by_partition(topic, rows)
        violated = [NULL]
        index = np.zeros(len(rows), np.int64)
        for row, policies in rows.violated.items():
            index[row] = len(violated)
            violated.append(encode_long(len(policies)) + b"".join(map(encode_string, policies)) + NULL)
        parts: list[Column] = [
            *self._envelope(topic, rows, order),
            Doubles(rows.values[order], np.ones((len(rows), len(METRICS)), np.bool_)),
            Pooled(Pool.of(violated), index[order]),
            Constant(NULL),
        ]
        yield from self._shipments(topic, rows, order, bounds, parts)

    def _ship_beats(self, rows: BeatRows) -> Iterator[Shipment]:
        order, bounds = self._by_partition(BEATS_TOPIC, rows)
        always = np.ones(len(rows), np.bool_)
        parts: list[Column] = [
            *self._envelope(BEATS_TOPIC, rows, order),
            Constant(self._beat_head[rows.stopping]),
            Doubles(rows.uptime_s[order]),
            Longs(rows.timestamps_us[order], always),
            Longs(rows.progress[order], always),
            Constant(self._beat_promise),
            Pooled(self._hosts, rows.agents[order]),
            Constant(self._beat_tail),
            Doubles(rows.cpu_usage[order], always),
            Constant(self._beat_machine),
        ]
        yield from self._shipments(BEATS_TOPIC, rows, order, bounds, parts)

    def _ship_records(self, records: Sequence[Record]) -> Iterator[Shipment]:
        grouped: defaultdict[tuple[str, int], list[Record]] = defaultdict(list)
        for record in records:
            partitions = self._partition_of[self._partitions[record.topic]]
            grouped[record.topic, int(partitions[record.agent])].append(record)
        for (topic, partition), group in grouped.items():
            yield Shipment(
                topic,
                partition,
                [self._keys[r.agent] for r in group],
                [self._encode(r) for r in group],
                [r.timestamp_us // 1000 for r in group],
                np.array([r.session for r in group], np.int64),
            )

    def _encode(self, record: Record) -> bytes:
        agents = self._fleet.agents
        session = agents.sessions[record.session]
        envelope = {
            "event_id": event_id(record.timestamp_us, session.bits, record.seq),
            "agent_id": agents.ids[record.agent],
            "user_id": agents.users[record.agent],
            "deployment_id": agents.deployments[record.agent],
            "timestamp": record.timestamp_us,
            "session_id": session.session_id,
            "seq": record.seq,
        }
        return encode_single_object(topic_schema(record.topic), envelope | dict(record.fields))

    def _learn_sessions(self) -> None:
        sessions: list[Session] = self._fleet.agents.sessions
        if self._session_bits.size < len(sessions):
            self._sessions = Pool.of([encode_string(s.session_id) for s in sessions])
            self._session_bits = np.array([s.bits for s in sessions], np.int64)

    def _by_partition(self, topic: str, rows: Rows) -> tuple[I64, I64]:
        """The order of rows by partition (stable), and where each partition begins and ends in it."""
        count = self._partitions[topic]
        partition = self._partition_of[count][rows.agents]
        order = np.argsort(partition, kind="stable")
        return order, np.searchsorted(partition[order], np.arange(count + 1))

    def _envelope(self, topic: str, rows: Rows, order: I64) -> list[Column]:
        sessions, stamps, seqs = rows.sessions[order], rows.timestamps_us[order], rows.seqs[order]
        # METRICS_TOPIC's schema also for a copy of it under another name.
        schema = topic_schema(topic if topic in TOPICS else METRICS_TOPIC)
        return [
            Constant(schema.prefix),
            Fixed(event_ids(stamps, self._session_bits[sessions], seqs)),
            Pooled(self._agents, rows.agents[order]),
            Longs(stamps),
            Pooled(self._sessions, sessions),
            Longs(seqs),
        ]

    def _shipments(self, topic: str, rows: Rows, order: I64, bounds: I64, parts: list[Column]) -> Iterator[Shipment]:
        if not len(rows):
            return
        values = encode_parts(len(rows), parts).to_list()
        keys = [self._keys[agent] for agent in rows.agents[order].tolist()]
        stamps = (rows.timestamps_us[order] // 1000).tolist()
        sessions = rows.sessions[order]
        for partition in range(bounds.size - 1):
            a, b = int(bounds[partition]), int(bounds[partition + 1])
            if a < b:
                yield Shipment(topic, partition, keys[a:b], values[a:b], stamps[a:b], sessions[a:b])


def _double(value: float) -> bytes:
    return np.array([value], "<f8").tobytes()


def _beat_tail() -> bytes:
    """gateway, platform, runtime_version, memory_used_bytes, memory_total_bytes."""
    return b"".join(
        (
            NULL,
            encode_optional(encode_string("linux")),
            encode_optional(encode_string("3.11")),
            NULL,
            encode_optional(encode_long(_MEMORY_TOTAL_BYTES)),
        )
    )


def _beat_machine() -> bytes:
    """cpu_cores, governance_enabled, policies_loaded, last_policy_update, trust_score, events_dropped."""
    return b"".join(
        (
            encode_optional(encode_long(4)),
            encode_optional(b"\x01"),
            encode_optional(encode_long(5)),
            NULL * 2,
            encode_optional(encode_long(0)),
        )
    )
