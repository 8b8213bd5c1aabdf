"""One partition's way into files: records, decoded, judged, split by hour, written under temporary names, then named.

`prepare` may be given up at any time: nothing of it is visible. `publish` makes it durable and visible, in this order:
the hint knows the folders, files have their final names, folders are on the disk. What remembers it (position,
sessions) follows from the names after a crash.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from infra.runtime.columnar_fetch import RecordColumns
from infra.runtime.logs import get_logger
from schemas.catalogue import TOPICS
from schemas.columnar import ROW, decode_batch
from schemas.registry import SchemaBook
from sinks.lake.crash import crash_point
from sinks.lake.dead_letters import DeadLetter
from sinks.lake.dedup import HOUR, Lookup, Sessions, Verdict
from sinks.lake.encoding import landing_layout, to_arrow, write_parquet
from sinks.lake.naming import DUPLICATES_TABLE, HOUR_S, LakeFile, hour_folder
from sinks.lake.positions import Position, save_position
from sinks.lake.recovery import (
    LAST_TIMESTAMP_KEY,
    Recovered,
    new_epoch,
    save_checkpoint,
    seqs_in_lake,
    temporary_folder,
)
from sinks.lake.storage import fsync_folders, give_final_name, make_folder

_HOUR_US = HOUR_S * 1_000_000
_DAY_US = 24 * _HOUR_US
_YEAR_2000_US = 946_684_800_000_000
_DUPLICATE_COLUMNS = ("event_id", "agent_id", "session_id", "seq", "kafka_partition", "kafka_offset", "kafka_timestamp")
_log = get_logger("lake.writer")


def folder_hours(event_us: pl.Series, kafka_us: pl.Series, now_us: int) -> pl.Series:
    """The hour (since 1970, i32) of each row's folder: event time, where it is before 2000 or a day ahead the record's.

    `event_us` and `kafka_us` are micros since the epoch (i64, may be null); a row with neither goes to the present.
    """
    sane_event = event_us.is_between(_YEAR_2000_US, now_us + _DAY_US).fill_null(value=False)
    sane_kafka = kafka_us.is_between(_YEAR_2000_US, now_us + _DAY_US).fill_null(value=False)
    fallback = kafka_us.zip_with(sane_kafka, pl.Series([now_us], dtype=pl.Int64).new_from_index(0, kafka_us.len()))
    return (event_us.zip_with(sane_event, fallback) // _HOUR_US).cast(pl.Int32).alias(HOUR)


@dataclass
class Batch:
    """Records of one partition in offset order, joined from what several fetches brought."""

    offsets: list[int]
    timestamps_ms: list[int]
    values: list[bytes | None]


def join_records(fetched: Sequence[RecordColumns], from_offset: int) -> Batch:
    """Join fetches of a partition, leaving out records before `from_offset`."""
    batch = Batch([], [], [])
    for columns in fetched:
        start = bisect_left(columns.offsets, from_offset)
        batch.offsets += columns.offsets[start:] if start else columns.offsets
        batch.timestamps_ms += columns.timestamps_ms[start:] if start else columns.timestamps_ms
        batch.values += columns.values[start:] if start else columns.values
    return batch


@dataclass
class _Part:
    """One file of a group, written under its temporary name."""

    folder: str
    temporary: Path
    final: Path


@dataclass
class Prepared:
    """A group under temporary names, and what becomes true once it is published."""

    first: int
    last: int
    last_timestamp_ms: int
    epoch: int
    parts: list[_Part]
    judged: pl.DataFrame
    verdict: Verdict
    letters: list[DeadLetter]
    rows: int
    duplicates: int
    bad: int = 0

    def discard(self) -> None:
        """Remove the temporary files."""
        for part in self.parts:
            part.temporary.unlink(missing_ok=True)


@dataclass
class Counts:
    """What a partition's writer has done since it was assigned."""

    rows: int = 0
    duplicates: int = 0
    bad: int = 0
    files: int = 0
    already_there: int = 0


@dataclass
class PartitionWriter:
    """The owner of one partition's files. Not thread-safe: one flush at a time."""

    lake: Path
    book: SchemaBook
    position: Position
    sessions: Sessions
    counts: Counts = field(default_factory=Counts)

    @classmethod
    def of(cls, lake: Path, book: SchemaBook, recovered: Recovered) -> PartitionWriter:
        """A writer that goes on where recovery ended."""
        return cls(lake, book, recovered.position, recovered.sessions)

    @property
    def table(self) -> str:
        """Table of the partition's topic."""
        return TOPICS[self.position.topic].table

    # --- prepare ----------------------------------------------------------------------------------------------------

    def prepare(self, fetched: Sequence[RecordColumns], now_s: float) -> Prepared | None:
        """Write a group for records under temporary names; None when all of them had landed before.

        Raises `OSError`; then no temporary file is left.
        """
        batch = join_records(fetched, self.position.next_offset)
        if not batch.values:
            return None
        decoded = decode_batch(self.book, batch.values)
        frame = self._with_coordinates(decoded.frame, batch, int(now_s * 1e6))
        verdict = self.sessions.judge(frame, self._seqs_in_lake)
        duplicate = verdict.duplicate
        prepared = Prepared(
            first=self.position.next_offset,
            last=batch.offsets[-1],
            last_timestamp_ms=batch.timestamps_ms[-1],
            epoch=self.position.epoch,
            parts=[],
            judged=frame,
            verdict=verdict,
            letters=[self._letter(batch, bad.row, bad.error, bad.detail) for bad in decoded.bad],
            rows=frame.height - (int(duplicate.sum()) if duplicate is not None else 0),
            duplicates=int(duplicate.sum()) if duplicate is not None else 0,
            bad=len(decoded.bad),
        )
        pieces = self._pieces(frame, duplicate)
        if not pieces:
            fallback = folder_hours(
                pl.Series([None], dtype=pl.Int64), pl.Series([batch.timestamps_ms[-1] * 1000]), int(now_s * 1e6)
            )
            pieces = [(self.table, int(fallback[0]), frame)]
        try:
            self._write(prepared, pieces)
        except BaseException:
            prepared.discard()
            raise
        return prepared

    def _with_coordinates(self, frame: pl.DataFrame, batch: Batch, now_us: int) -> pl.DataFrame:
        rows = frame[ROW].to_numpy()
        whole = len(rows) == len(batch.values)
        offsets, timestamps = np.asarray(batch.offsets, np.int64), np.asarray(batch.timestamps_ms, np.int64)
        kafka_ms = pl.Series(timestamps if whole else timestamps[rows])
        frame = frame.drop(ROW).with_columns(
            pl.lit(self.position.partition, pl.Int32).alias("kafka_partition"),
            pl.Series("kafka_offset", offsets if whole else offsets[rows]),
            kafka_ms.cast(pl.Datetime("ms", "UTC")).alias("kafka_timestamp"),
        )
        event_us = (
            frame["timestamp"].cast(pl.Datetime("us")).cast(pl.Int64) if frame.height else pl.Series([], dtype=pl.Int64)
        )
        return frame.with_columns(folder_hours(event_us, kafka_ms * 1000, now_us))

    def _seqs_in_lake(self, lookup: Lookup) -> dict[str, set[int]]:
        return seqs_in_lake(self.lake, self.position.topic, self.position.partition, lookup)

    def _letter(self, batch: Batch, row: int, error: str, detail: str) -> DeadLetter:
        return DeadLetter(
            self.position.topic,
            self.position.partition,
            batch.offsets[row],
            batch.timestamps_ms[row],
            batch.values[row],
            error,
            detail,
        )

    def _pieces(self, frame: pl.DataFrame, duplicate: pl.Series | None) -> list[tuple[str, int, pl.DataFrame]]:
        """Rows by (table, hour), in the order of their part numbers."""
        if duplicate is None:
            return _by_hour(self.table, frame)
        again = frame.filter(duplicate).select(
            pl.lit(self.position.topic).alias("topic"), *_DUPLICATE_COLUMNS, HOUR, "timestamp"
        )
        return _by_hour(self.table, frame.filter(~duplicate)) + _by_hour(DUPLICATES_TABLE, again)

    def _write(self, prepared: Prepared, pieces: list[tuple[str, int, pl.DataFrame]]) -> None:
        topic, partition = self.position.topic, self.position.partition
        temporary = temporary_folder(self.lake, topic, partition)
        make_folder(temporary)
        for number, (table, hour, rows) in enumerate(pieces, start=1):
            name = LakeFile(
                topic, partition, prepared.first, prepared.last, number, len(pieces), epoch=prepared.epoch
            ).name
            folder = f"{table}/{hour_folder(hour)}"
            part = _Part(folder, temporary / f"{table}+{name}", self.lake / folder / name)
            prepared.parts.append(part)
            landed = to_arrow(rows.drop(HOUR).sort("agent_id", "timestamp"))
            metadata = {**(landed.schema.metadata or {}), LAST_TIMESTAMP_KEY: str(prepared.last_timestamp_ms).encode()}
            landed = landed.replace_schema_metadata(metadata)
            write_parquet(landed, part.temporary, landing_layout(landed.schema))

    # --- publish ----------------------------------------------------------------------------------------------------

    def announce(self, prepared: Prepared) -> None:
        """Have the hint know every folder that a group goes into, before it does. Raises `OSError`."""
        folders = {part.folder for part in prepared.parts}
        if not folders <= set(self.position.folders):
            position = self.position.with_folders(folders)
            save_position(self.lake, position)
            self.position = position
        for part in prepared.parts:
            make_folder(part.final.parent)

    def publish(self, prepared: Prepared) -> None:
        """Give a group its final names and take its rows as landed. Raises `OSError`; then `publish` may be repeated.

        A name that is taken means that this very range has landed: the file there stays as it is.
        """
        for number, part in enumerate(prepared.parts):
            if number:
                crash_point("between_files")
            if not part.temporary.exists() and part.final.exists():
                continue  # Named by an earlier try of this call.
            if not give_final_name(part.temporary, part.final):
                self.counts.already_there += 1
                _log.warning("the file is already there and stays", file=str(part.final))
        fsync_folders(part.final.parent for part in prepared.parts)
        self._landed(prepared)

    def _landed(self, prepared: Prepared) -> None:
        self.sessions.add(prepared.judged, prepared.verdict)
        self.position = Position(
            self.position.topic,
            self.position.partition,
            prepared.epoch,
            prepared.last + 1,
            prepared.last_timestamp_ms,
            self.position.cluster_id,
            self.position.folders,
        )
        self.counts.rows += prepared.rows
        self.counts.duplicates += prepared.duplicates
        self.counts.bad += prepared.bad
        self.counts.files += len(prepared.parts)

    def checkpoint(self, now_s: float) -> None:
        """Have recovery begin here. Raises `OSError`."""
        self.sessions.forget_idle(int(now_s) // HOUR_S)
        save_checkpoint(self.lake, self.position, self.sessions)
        self.position = Position(
            self.position.topic,
            self.position.partition,
            self.position.epoch,
            self.position.next_offset,
            self.position.last_timestamp_ms,
            self.position.cluster_id,
        )

    def begin_epoch(self, why: str) -> None:
        """Go on at offset 0 of another incarnation of the log. Raises `OSError`."""
        self.position = new_epoch(self.position, "", why)
        save_checkpoint(self.lake, self.position, self.sessions)

    def skip_gap(self, first_there: int) -> None:
        """Take notice that the broker's retention has removed records before they were read."""
        _log.error(
            "records are lost: the broker's retention overtook the lake writer",
            topic=self.position.topic,
            partition=self.position.partition,
            first_lost=self.position.next_offset,
            last_lost=first_there - 1,
        )


def _by_hour(table: str, frame: pl.DataFrame) -> list[tuple[str, int, pl.DataFrame]]:
    if frame.is_empty():
        return []
    low, high = frame[HOUR].min(), frame[HOUR].max()
    if low == high:
        return [(table, int(low), frame)]  # type: ignore[arg-type]  # polars types the minimum of any series
    parts = frame.partition_by(HOUR, maintain_order=True, as_dict=True)
    return [(table, int(key[0]), parts[key]) for key in sorted(parts)]
