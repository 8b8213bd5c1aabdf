"""Times that no calendar has, from every source topic: a worker applies them, ticks on, and can write its state."""

from __future__ import annotations

import pytest
from schema_world import record

from infra.runtime.columnar_fetch import RecordColumns
from schemas.catalogue import STREAM_SOURCES, TOPICS
from schemas.record import encode_single_object
from schemas.registry import WriterSchema, load_schema
from streams.pipeline import Pipeline, PipelineConfig

NOW_S = 1_772_368_215.0
YEAR_200000_US = 6_249_223_123_456_000_000


def message(schema: WriterSchema, seq: int, micros: int | None) -> bytes:
    """A record; `micros` in each of its times, if given."""
    times = {f["name"]: micros for f in schema.raw["fields"] if "timestamp-micros" in str(f["type"])}
    kinds = {"status": "healthy", "event": "tool_executing"}
    known = {name: value for name, value in kinds.items() if any(f["name"] == name for f in schema.raw["fields"])}
    return encode_single_object(schema, record(schema, seq=seq, **known) | (times if micros is not None else {}))


@pytest.mark.parametrize("topic", STREAM_SOURCES)
@pytest.mark.parametrize("micros", [-(2**63), -62_135_596_800_000_001, 0, YEAR_200000_US, 2**63 - 1])
def test_a_worker_goes_on(topic: str, micros: int) -> None:
    schema = load_schema(TOPICS[topic].schema)
    pipeline = Pipeline(PipelineConfig())
    state = pipeline.restore(0, [])
    values: list[bytes | None] = [message(schema, seq, micros if seq % 2 else None) for seq in range(6)]
    columns = RecordColumns(topic, 0, list(range(6)), [1_772_368_215_000] * 6, values, 6)
    pipeline.apply(state, columns, NOW_S)
    pipeline.tick(state, NOW_S + 60, beats_until_s=NOW_S + 60, steps_until_s=NOW_S + 60)
    snapshots = [raw for _, raw in state.take_dirty_snapshots()]
    restored = pipeline.restore(0, snapshots)
    assert len(restored.agents) == len(state.agents)
