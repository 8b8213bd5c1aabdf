"""The writer process on real brokers: all lands once, what is bad or double stands where it can be found."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from lake_world import (
    PARTITIONS,
    Source,
    assert_exactly_once,
    compact,
    create_catalogue,
    hour_of,
    landed_all,
    rows,
    until,
    writer,
)

from infra.broker.interface import Broker
from infra.runtime.kafka import producer
from schemas.catalogue import TOPICS
from sinks.lake.naming import list_folders, visible_files

# The long ones run on Apache Kafka within the fault suite: `make test` has twelve minutes.
BROKERS = ["tansu", pytest.param("kafka", marks=[pytest.mark.kafka, pytest.mark.fault])]
BrokerFactory = Callable[[str], Broker]


@pytest.mark.parametrize("kind", BROKERS)
async def test_everything_lands_once_and_the_rest_is_accounted_for(
    kind: str, broker_factory: BrokerFactory, tmp_path: Path
) -> None:
    bootstrap = broker_factory(kind).bootstrap
    await create_catalogue(bootstrap)
    lake = tmp_path / "lake"
    source = Source(bootstrap)
    async with writer(bootstrap, lake) as process:
        assert (await process.ready())["partitions"] == PARTITIONS * len(TOPICS)
        await source.publish(12, twice_every=7, bad_every=11)
        await landed_all(lake, source)
        await until(lambda: len(rows(lake, "deadletter")) >= source.bad, "the dead letters")
        assert await process.stop() == 0
    assert_exactly_once(lake, source)
    again = rows(lake, "duplicates")
    assert len(again) == len(range(0, 12 * 20, 7))
    assert {r["topic"] for r in again} == {"fleet.metrics", "fleet.heartbeats"}
    letters = rows(lake, "deadletter")
    assert len(letters) == source.bad
    assert {r["error"] for r in letters} == {"unknown_schema"}
    assert all(r["session_id"] == f"{r['topic']}/{r['partition']}" and r["seq"] == r["offset"] for r in letters)

    # A second life finds its place; the same bytes once more are duplicates though the writer is another.
    async with writer(bootstrap, lake) as process:
        await process.ready()
        await source.publish(4)
        await landed_all(lake, source)
        assert await process.stop() == 0
    assert_exactly_once(lake, source)
    assert await compact(lake) == 0
    assert_exactly_once(lake, source)
    assert all("of1c" in path.name for path in visible_files(lake, "metrics"))


async def test_absurd_times_go_to_the_hour_of_their_record_unaltered(
    broker_factory: BrokerFactory, tmp_path: Path
) -> None:
    bootstrap = broker_factory("tansu").bootstrap
    await create_catalogue(bootstrap)
    lake = tmp_path / "lake"
    source = Source(bootstrap)
    now_us = time.time_ns() // 1000
    day_us = 86_400_000_000
    late, null, old, future = now_us - 3 * day_us, 0, -62_000_000_000_000_000, now_us + 10 * day_us
    client = producer(bootstrap, idempotent=False)
    await client.start()
    for moment in (late, null, old, future):
        identity, key, value = source.record(0, moment, "fleet.metrics")
        await client.send_and_wait("fleet.metrics", value, key=key, timestamp_ms=now_us // 1000)
        source.acknowledged[identity] += 1
    await client.stop()
    async with writer(bootstrap, lake) as process:
        await process.ready()
        await landed_all(lake, source)
        await process.stop()
    assert_exactly_once(lake, source)
    assert list_folders(lake, "metrics") == [f"metrics/{hour_of(late)}", f"metrics/{hour_of(now_us)}"]
    assert {r["timestamp_us"] for r in _with_micros(lake)} == {late, null, old, future}


def _with_micros(lake: Path) -> list[dict[str, int]]:
    import pyarrow as pa  # noqa: PLC0415  # dates before year 1 do not fit Python's datetime, so micros are compared
    import pyarrow.parquet as pq  # noqa: PLC0415  # as above

    return [
        {"timestamp_us": value}
        for path in visible_files(lake, "metrics")
        for value in pq.read_table(path, partitioning=None)["timestamp"].cast(pa.int64()).to_pylist()
    ]


async def test_wrong_use_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    async with writer("127.0.0.1:1", blocked / "lake") as process:
        assert await process.died() == 2
    text = process.log.read_text()
    assert "cannot write to the lake" in text
    assert "FLEETPULSE_LAKE" in text
    assert "Traceback" not in text
    async with writer("127.0.0.1:1", tmp_path / "lake") as process:
        assert await process.died() == 2
    assert "Traceback" not in process.log.read_text()
    assert "no broker answers" in process.log.read_text()
