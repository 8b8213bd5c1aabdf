"""The bytes of a tick decode to the rows of the tick."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from infra.runtime.batch_send import partition_of
from infra.runtime.id_columns import event_ids
from infra.runtime.ids import event_id
from producers.simulator.config import FleetConfig
from producers.simulator.fill import fill_rows
from producers.simulator.fleet import Fleet
from producers.simulator.wire import BEATS_TOPIC, METRICS_TOPIC, TOPICS, Wire
from schemas.catalogue import METRICS
from schemas.record import decode_record
from schemas.registry import SchemaBook, topic_schema

PARTITIONS = 3


def fleet_of(**changes: Any) -> Fleet:  # noqa: ANN401  # fields of the configuration
    given = {"agents": 60, "rate": 3_000.0, "seed": 3, "start_us": 1_700_000_000_000_000, "run_s": 12.0, "tick_s": 0.5}
    return Fleet(FleetConfig(**(given | changes)))


def test_event_ids_are_those_of_the_runtime() -> None:
    rng = np.random.default_rng(5)
    stamps = rng.integers(0, 2**53, 500)
    bits = rng.integers(0, 2**30, 500)
    seqs = rng.integers(0, 2**40, 500)
    expected = [event_id(int(t), int(b), int(s)) for t, b, s in zip(stamps, bits, seqs, strict=True)]
    assert [bytes(row) for row in event_ids(stamps, bits, seqs)] == expected


def test_messages_decode_to_what_the_tick_says() -> None:
    fleet = fleet_of()
    wire = Wire(fleet, dict.fromkeys(TOPICS, PARTITIONS))
    for tick in [*(fleet.step() for _ in range(24)), fleet.stop()]:
        decoded: defaultdict[str, dict[tuple[str, int], dict[str, Any]]] = defaultdict(dict)
        for shipment in wire.ship(tick):
            book = SchemaBook(topic_schema(shipment.topic).name)
            columns = (shipment.keys, shipment.values, shipment.timestamps_ms, shipment.sessions.tolist())
            for key, value, timestamp_ms, session in zip(*columns, strict=True):
                record = decode_record(book, value)
                assert key.decode() == record["agent_id"]
                assert partition_of(key, PARTITIONS) == shipment.partition
                assert timestamp_ms == int(record["timestamp"].timestamp() * 1000 + 1e-6)
                assert record["session_id"] == fleet.agents.sessions[session].session_id
                decoded[shipment.topic][record["session_id"], record["seq"]] = record
        assert sum(map(len, decoded.values())) == len(tick)
        for row in range(len(tick.metrics)):
            session = fleet.agents.sessions[int(tick.metrics.sessions[row])]
            record = decoded[METRICS_TOPIC][session.session_id, int(tick.metrics.seqs[row])]
            assert [record[name] for name in METRICS] == tick.metrics.values[row].tolist()
            assert tuple(record["policy_violations"]) == tick.metrics.violated.get(row, ())
            assert record["custom"] == []
        for row in range(len(tick.beats)):
            session = fleet.agents.sessions[int(tick.beats.sessions[row])]
            record = decoded[BEATS_TOPIC][session.session_id, int(tick.beats.seqs[row])]
            assert record["status"] == ("stopping" if tick.beats.stopping else "healthy")
            assert record["uptime_s"] == tick.beats.uptime_s[row]
            assert record["progress"] == tick.beats.progress[row]
            assert (record["cpu_cores"], record["governance_enabled"], record["events_dropped"]) == (4, True, 0)
        for item in tick.records:
            session = fleet.agents.sessions[item.session]
            record = decoded[item.topic][session.session_id, item.seq]
            assert {name: record[name] for name in item.fields} == dict(item.fields)


def test_filling_writes_exactly_as_many_events_in_real_spacing() -> None:
    fleet = fleet_of(agents=100, incidents=False)
    rows = list(fill_rows(fleet, 950, interval_s=2.0))
    assert [len(r) for r in rows] == [100] * 9 + [50]
    first, second = (r.timestamps_us[7] for r in rows[:2])
    assert 1.9e6 < second - first < 2.1e6
    assert all(r.timestamps_us.max() <= fleet.config.start_us for r in rows)
    assert [int(r.seqs[0]) for r in rows] == list(range(10))
    shipped = [s for r in rows for s in Wire(fleet, {"copy": 4}).ship_metrics("copy", r)]
    assert sum(len(s.values) for s in shipped) == 950
