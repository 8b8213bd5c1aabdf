"""Recovery, duplicates, compaction and retention over real folders, without a broker."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest

from infra.runtime.columnar_fetch import RecordColumns
from infra.runtime.errors import LakeError
from infra.runtime.ids import event_id
from schemas.record import decode_record, encode_single_object
from schemas.registry import SchemaBook, topic_schema
from sinks.lake.compaction import CompactionOptions, Compactor
from sinks.lake.dead_letters import DeadLetter, encode
from sinks.lake.dedup import FORGET_AFTER_HOURS, HOUR, Lookup, Sessions
from sinks.lake.naming import HOUR_S, list_folders, visible_files
from sinks.lake.positions import hint_path, load_position, save_position
from sinks.lake.recovery import recover, sessions_path, temporary_folder
from sinks.lake.retention import retain
from sinks.lake.storage import open_lake
from sinks.lake.writer import PartitionWriter, folder_hours

TOPIC = "fleet.metrics"
NOW_S = 1_700_000_000 // HOUR_S * HOUR_S
HOUR_US = HOUR_S * 1_000_000
BOOK = SchemaBook("metrics")


def message(agent: int, seq: int, hour: int = 0) -> bytes:
    timestamp_us = NOW_S * 1_000_000 + hour * HOUR_US + seq
    envelope = {
        "event_id": event_id(timestamp_us, agent, seq), "agent_id": f"a{agent}", "user_id": "u", "deployment_id": None,
        "timestamp": timestamp_us, "session_id": f"s{agent}", "seq": seq,
    }  # fmt: skip
    schema = topic_schema(TOPIC)
    values = {f["name"]: None if isinstance(f["type"], list) else [] for f in schema.raw["fields"]}
    return encode_single_object(schema, values | envelope)


@dataclass
class Log:
    """A partition's log and a lake that reads it."""

    lake: Path
    messages: list[bytes | None]

    def writer(self, committed: int | None = None, cluster_id: str = "") -> PartitionWriter:
        return PartitionWriter.of(
            self.lake, BOOK, recover(self.lake, TOPIC, 0, committed=committed, cluster_id=cluster_id)
        )

    def fetch(self, first: int, last: int) -> RecordColumns:
        offsets = list(range(first, last + 1))
        return RecordColumns(
            TOPIC, 0, offsets, [NOW_S * 1000 + o for o in offsets], self.messages[first : last + 1], last + 1
        )

    def write(self, writer: PartitionWriter, last: int) -> None:
        prepared = writer.prepare([self.fetch(writer.position.next_offset, last)], NOW_S)
        assert prepared is not None
        writer.announce(prepared)
        writer.publish(prepared)

    def seen(self, table: str = "metrics") -> list[int]:
        """Offsets in the visible files."""
        found: list[int] = []
        for path in visible_files(self.lake, table):
            found += pq.read_table(path, columns=["kafka_offset"], partitioning=None)["kafka_offset"].to_pylist()
        return sorted(found)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    lake = tmp_path / "lake"
    open_lake(lake)
    return Log(lake, [message(i % 5, i // 5, hour=-(i % 2)) for i in range(100)])


def forget_hints(lake: Path) -> None:
    hint_path(lake, TOPIC, 0).unlink(missing_ok=True)
    sessions_path(lake, TOPIC, 0).unlink(missing_ok=True)


def test_names_lead_back_to_the_position_and_the_sessions(log: Log) -> None:
    first = log.writer()
    log.write(first, 29)
    log.write(first, 59)
    second = log.writer()
    assert second.position.next_offset == 60
    assert second.position.last_timestamp_ms == NOW_S * 1000 + 59
    assert second.sessions.landed == first.sessions.landed
    forget_hints(log.lake)
    third = log.writer()
    assert third.position.next_offset == 60
    assert third.sessions.landed == first.sessions.landed


@pytest.mark.parametrize("with_hint", [True, False])
def test_an_incomplete_newest_group_is_removed_and_read_again(log: Log, with_hint: bool) -> None:
    writer = log.writer()
    log.write(writer, 29)
    log.write(writer, 59)
    torn = [path for path in visible_files(log.lake, "metrics") if "+30+59+1of2" in path.name]
    assert len(torn) == 1
    torn[0].unlink()
    if not with_hint:
        forget_hints(log.lake)
    again = log.writer()
    assert again.position.next_offset == 30
    assert log.seen() == list(range(30))
    log.write(again, 70)
    assert log.seen() == list(range(71))


def test_temporary_files_are_removed(log: Log) -> None:
    writer = log.writer()
    prepared = writer.prepare([log.fetch(0, 9)], NOW_S)
    assert prepared is not None
    assert any(temporary_folder(log.lake, TOPIC, 0).iterdir())
    assert log.seen() == []
    assert log.writer().position.next_offset == 0
    assert not any(temporary_folder(log.lake, TOPIC, 0).iterdir())


def test_a_name_that_is_taken_stays_as_it_is(log: Log) -> None:
    one, two = log.writer(), log.writer()
    log.write(one, 9)
    before = {path: path.stat().st_ino for path in visible_files(log.lake, "metrics")}
    log.write(two, 9)
    assert {path: path.stat().st_ino for path in visible_files(log.lake, "metrics")} == before
    assert two.counts.already_there == 2
    assert log.seen() == list(range(10))


def test_a_stale_hint_is_found_out_by_the_committed_offset(log: Log) -> None:
    writer = log.writer()
    log.write(writer, 9)
    writer.checkpoint(NOW_S)
    stale = load_position(log.lake, TOPIC, 0)
    assert stale is not None
    log.write(writer, 29)
    writer.checkpoint(NOW_S)
    save_position(log.lake, stale)
    assert log.writer(committed=25).position.next_offset == 30


def test_a_whole_batch_of_bad_messages_still_moves_the_position(log: Log) -> None:
    log.messages[:3] = [None, b"", b"\xc3\x01garbage"]
    writer = log.writer()
    prepared = writer.prepare([log.fetch(0, 2)], NOW_S)
    assert prepared is not None
    assert [letter.error for letter in prepared.letters] == ["empty", "empty", "unknown_format"]
    writer.announce(prepared)
    writer.publish(prepared)
    assert log.writer().position.next_offset == 3
    log.write(log.writer(), 9)
    assert log.seen() == list(range(3, 10))


def test_offsets_that_compaction_of_the_log_left_out_are_covered(log: Log) -> None:
    writer = log.writer()
    log.write(writer, 4)
    columns = log.fetch(8, 9)
    prepared = writer.prepare([columns], NOW_S)
    assert prepared is not None
    assert (prepared.first, prepared.last) == (5, 9)
    prepared.discard()


@pytest.mark.parametrize("restart", [True, False])
def test_what_comes_twice_goes_to_duplicates(log: Log, restart: bool) -> None:
    log.messages[20:30] = log.messages[3:13]
    log.messages[35] = log.messages[34]
    writer = log.writer()
    log.write(writer, 19)
    if restart:
        writer = log.writer()
    log.write(writer, 39)
    assert log.seen() == [*range(20), *range(30, 35), *range(36, 40)]
    assert log.seen("duplicates") == [*range(20, 30), 35]


def test_events_out_of_order_are_not_duplicates(log: Log) -> None:
    log.messages[10:20] = log.messages[80:90]
    writer = log.writer()
    for last in (19, 49):
        log.write(writer, last)
    assert log.seen() == list(range(50))
    assert log.seen("duplicates") == []


def test_another_cluster_begins_an_epoch_and_knows_the_sessions(log: Log) -> None:
    writer = log.writer(cluster_id="one")
    log.write(writer, 19)
    again = log.writer(cluster_id="two")
    assert (again.position.epoch, again.position.next_offset) == (1, 0)
    log.write(again, 29)
    assert log.seen() == list(range(30))
    assert log.seen("duplicates") == list(range(20))
    assert log.writer(cluster_id="two").position.next_offset == 30


def test_compaction_keeps_rows_and_shrinks_them(log: Log) -> None:
    writer = log.writer()
    for last in range(9, 60, 10):
        log.write(writer, last)
    log.write(writer, 79)
    compactor = Compactor(log.lake, CompactionOptions(grace_s=0.0))
    assert compactor.run(NOW_S, everything=True).files_written == 0, "nothing that the hint does not cover"
    writer.checkpoint(NOW_S)
    report = compactor.run(NOW_S, everything=True)
    assert (report.files_read, report.files_written, report.rows) == (14, 2, 80)
    assert report.bytes_after < report.bytes_before
    assert log.seen() == list(range(80))
    compactor.run(NOW_S + 1e9, everything=True)
    assert len(list((log.lake / "metrics").rglob("*.parquet"))) == 2
    assert log.seen() == list(range(80))
    forget_hints(log.lake)
    assert log.writer().position.next_offset == 80


def test_compaction_of_part_of_a_group_does_not_make_it_incomplete(log: Log) -> None:
    writer = log.writer()
    log.write(writer, 9)
    writer.checkpoint(NOW_S)
    Compactor(log.lake, CompactionOptions(closed_after_s=0, grace_s=0.0)).run(NOW_S, everything=False)
    forget_hints(log.lake)
    assert log.writer().position.next_offset == 10
    assert log.seen() == list(range(10))


def test_compacted_files_are_read_by_duckdb_with_ids_as_uuid(log: Log) -> None:
    writer = log.writer()
    log.write(writer, 99)
    writer.checkpoint(NOW_S)
    Compactor(log.lake, CompactionOptions(grace_s=0.0)).run(NOW_S, everything=True)
    files = [str(path) for path in visible_files(log.lake, "metrics")]
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT count(*), count(DISTINCT event_id), any_value(typeof(event_id)), count(DISTINCT (session_id, seq))"
            " FROM read_parquet(?)", [files],
        ).fetchone()  # fmt: skip
    assert found == (100, 100, "UUID", 100)


def test_retention_removes_hours_and_moves_no_position_back(log: Log) -> None:
    writer = log.writer()
    log.write(writer, 29)
    assert retain(log.lake, NOW_S + 365 * 86_400) == [], "recovery may still need files that no hint covers"
    writer.checkpoint(NOW_S)
    day_s = 86_400
    assert retain(log.lake, NOW_S + 89 * day_s) == []
    assert len(retain(log.lake, NOW_S + 89 * day_s, {"metrics": day_s})) == 2
    assert list_folders(log.lake, "metrics") == []
    assert log.writer().position.next_offset == 30


def test_hours_of_absurd_times() -> None:
    now_us, kafka_us = 1_700_000_000_000_000, 1_700_000_000_000_000 - 5 * HOUR_US
    day_us = 24 * HOUR_US
    event: Sequence[int | None] = [now_us, now_us - 30 * HOUR_US, 0, None, now_us + 2 * day_us, now_us + day_us // 2]
    expected = [now_us, now_us - 30 * HOUR_US, kafka_us, kafka_us, kafka_us, now_us + day_us // 2]
    kafka = pl.Series([kafka_us] * len(event))
    assert folder_hours(pl.Series(event), kafka, now_us).to_list() == [us // HOUR_US for us in expected]
    assert folder_hours(pl.Series([0]), pl.Series([-1000]), now_us).to_list() == [now_us // HOUR_US]


def rows(*found: tuple[str, int, int]) -> pl.DataFrame:
    return pl.DataFrame(found, schema={"session_id": pl.String, "seq": pl.Int64, HOUR: pl.Int32}, orient="row")


def test_forgotten_sessions_are_looked_up_when_old_events_come() -> None:
    sessions = Sessions()
    old = rows(("old", 5, 100))
    sessions.add(old, sessions.judge(old, lambda _: {}))
    assert sessions.forget_idle(101 + FORGET_AFTER_HOURS) == 1
    asked: list[Lookup] = []

    def lake(lookup: Lookup) -> dict[str, set[int]]:
        asked.append(lookup)
        return {"old": {5}}

    verdict = sessions.judge(rows(("old", 5, 100), ("old", 6, 100), ("new", 0, 300)), lake)
    assert verdict.duplicate is not None
    assert verdict.duplicate.to_list() == [True, False, False]
    assert asked == [Lookup(frozenset({"old"}), 0, 100)]


def test_an_epoch_after_a_hint_is_written_durably(log: Log) -> None:
    writer = log.writer()
    log.write(writer, 9)
    writer.begin_epoch("the test says so")
    hint = load_position(log.lake, TOPIC, 0)
    assert hint is not None
    assert (hint.epoch, hint.next_offset) == (1, 0)
    assert hint == writer.position, "a folder that the hint lacks is announced again"


@pytest.mark.parametrize("timestamp_ms", [-1, 0, 2**62])
def test_a_dead_letter_takes_any_timestamp(timestamp_ms: int) -> None:
    letter = DeadLetter(TOPIC, 1, 7, timestamp_ms, b"x" * 300_000, "truncated", "why")
    key, value = encode([letter])[0]
    record = decode_record(SchemaBook("deadletter"), value)
    assert key == b"fleet.metrics/1"
    assert (record["session_id"], record["seq"], record["raw_size_bytes"]) == ("fleet.metrics/1", 7, 300_000)
    assert len(record["raw"]) == 256 * 1024


def test_a_file_that_is_not_parquet_is_named(log: Log) -> None:
    writer = log.writer()
    log.write(writer, 9)
    forget_hints(log.lake)
    broken = visible_files(log.lake, "metrics")[0]
    broken.write_bytes(b"PAR1 not at all PAR1")
    with pytest.raises(LakeError, match=re.escape(broken.name)):
        log.writer()


def test_an_unwritable_folder_leaves_no_temporary_file(log: Log) -> None:
    writer = log.writer()
    folder = temporary_folder(log.lake, TOPIC, 0)
    folder.mkdir()
    folder.rmdir()
    folder.symlink_to("/nowhere/at/all")
    with pytest.raises(OSError, match=r"nowhere|exists|No such"):
        writer.prepare([log.fetch(0, 9)], NOW_S)
    assert log.seen() == []
