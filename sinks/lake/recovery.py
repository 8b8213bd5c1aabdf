"""What a new owner of a partition finds in the lake: where to go on, and which sessions have landed how far.

1. Stray temporary files of the partition are removed.
2. File names in the hint's folders (or in all, without a usable hint) say which groups there are.
3. The newest group, if it is not complete and no compacted file stands for it, is removed part by part.
4. The position is after the last complete group, never before the hint: retention may have removed older files.
5. Sessions are those of the last checkpoint and of the rows that landed after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from infra.runtime.errors import LakeError
from infra.runtime.logs import get_logger
from schemas.catalogue import TOPICS
from sinks.lake.crash import crash_point
from sinks.lake.dedup import HOUR, Landed, Lookup, Sessions
from sinks.lake.naming import (
    DUPLICATES_TABLE,
    LakeFile,
    complete_groups,
    folder_hour,
    list_folders,
    list_names,
    parse_name,
    visible,
)
from sinks.lake.positions import Position, load_position, save_position
from sinks.lake.storage import POSITIONS, TEMPORARY, fsync_folders, replace_durably

LAST_TIMESTAMP_KEY = b"fleetpulse.last_kafka_timestamp_ms"
_log = get_logger("lake.recovery")


@dataclass(frozen=True)
class StoredFile:
    """A file of the lake: its folder below the lake and what its name says."""

    folder: str
    file: LakeFile

    @property
    def relative(self) -> str:
        """Path below the lake."""
        return f"{self.folder}/{self.file.name}"


@dataclass
class Recovered:
    """`position` to go on from and the `sessions` that have landed before it."""

    position: Position
    sessions: Sessions


def files_of(lake: Path, folders: Iterable[str], topic: str, partition: int) -> list[StoredFile]:
    """The files of one partition in some folders."""
    found: list[StoredFile] = []
    prefix = f"{topic}+{partition}+"
    for folder in folders:
        names = (name for name in list_names(lake, folder) if name.startswith(prefix))
        found += [StoredFile(folder, file) for name in names if (file := parse_name(name)) is not None]
    return found


def temporary_folder(lake: Path, topic: str, partition: int) -> Path:
    """Where the owner of a partition keeps files that do not have their final name yet."""
    return lake / TEMPORARY / f"{topic}+{partition}"


def _all_folders(lake: Path, topic: str) -> list[str]:
    return list_folders(lake, TOPICS[topic].table) + list_folders(lake, DUPLICATES_TABLE)


def _remove_stray(lake: Path, topic: str, partition: int) -> None:
    folder = temporary_folder(lake, topic, partition)
    for name in list_names(lake, str(folder.relative_to(lake))):
        (folder / name).unlink(missing_ok=True)


def incomplete_newest(files: Iterable[StoredFile]) -> list[StoredFile]:
    """The parts of the newest group of the newest epoch, if some are missing and no compacted file stands for it."""
    files = list(files)
    epoch = max((f.file.epoch for f in files), default=0)
    current = [f for f in files if f.file.epoch == epoch]
    compacted_through = max((f.file.last for f in current if f.file.compacted), default=-1)
    newest = max((f.file.last for f in current if not f.file.compacted), default=-1)
    if newest <= compacted_through:
        return []
    complete = complete_groups(f.file for f in current)
    return [f for f in current if not f.file.compacted and f.file.last == newest and f.file.group not in complete]


def _remove(lake: Path, files: list[StoredFile]) -> None:
    for stored in files:
        _log.warning("an incomplete group is removed, its records are read again", file=stored.relative)
        (lake / stored.relative).unlink(missing_ok=True)
    fsync_folders(lake / stored.folder for stored in files)


def recover(lake: Path, topic: str, partition: int, *, committed: int | None, cluster_id: str = "") -> Recovered:
    """Bring the files of a partition in order and find where to go on; see the module.

    `committed` is Kafka's committed offset, None for none: one beyond what the hint leads to says that the hint is
    stale. The caller owns the partition. Raises `OSError`.
    """
    _remove_stray(lake, topic, partition)
    hint = load_position(lake, topic, partition)
    position, files = _from_folders(lake, topic, partition, hint, hint.folders if hint else _all_folders(lake, topic))
    if hint is not None and committed is not None and committed > position.next_offset:
        _log.warning(
            "Kafka's offset is beyond the position hint, all folders are looked through",
            topic=topic,
            partition=partition,
        )
        position, files = _from_folders(lake, topic, partition, hint, _all_folders(lake, topic))
    sessions = _recover_sessions(lake, topic, partition, files, hint)
    if not position.cluster_id:
        position = replace(position, cluster_id=cluster_id)
    if position.cluster_id and cluster_id and position.cluster_id != cluster_id:
        position = new_epoch(position, cluster_id, "the cluster id has changed")
    position = replace(position, folders=())
    if position != hint and (hint is not None or files or list_folders(lake, TOPICS[topic].table)):
        save_checkpoint(lake, position, sessions)
    return Recovered(position, sessions)


def new_epoch(position: Position, cluster_id: str, why: str) -> Position:
    """The position at the beginning of another incarnation of the log."""
    _log.error(
        "another broker incarnation: a new epoch begins, its offsets count from their beginning",
        topic=position.topic, partition=position.partition, why=why,
        stored_offset=position.next_offset, epoch=position.epoch + 1,
    )  # fmt: skip
    return replace(
        position,
        epoch=position.epoch + 1,
        next_offset=0,
        last_timestamp_ms=None,
        cluster_id=cluster_id or position.cluster_id,
        folders=(),  # The checkpoint that follows says the same: what is announced and what is on disk stay equal.
    )


def _from_folders(
    lake: Path, topic: str, partition: int, hint: Position | None, folders: Iterable[str]
) -> tuple[Position, list[StoredFile]]:
    """The position that the files in `folders` lead to, after an incomplete newest group is gone; and those files."""
    folders = tuple(folders)
    files = files_of(lake, folders, topic, partition)
    position = hint or Position(topic, partition)
    beyond = [f for f in files if (f.file.epoch, f.file.last) >= (position.epoch, position.next_offset)]
    torn = incomplete_newest(beyond)
    _remove(lake, torn)
    files = [f for f in files if f not in torn]
    landed = [f for f in beyond if f not in torn]
    if landed:
        newest = max(landed, key=lambda f: (f.file.epoch, f.file.last, not f.file.compacted))
        position = replace(
            position, epoch=newest.file.epoch, next_offset=newest.file.last + 1,
            last_timestamp_ms=_last_timestamp_ms(lake / newest.relative),
        )  # fmt: skip
    return replace(position, folders=tuple(sorted({f.folder for f in files} | set(position.folders)))), files


def _unreadable(path: Path, error: Exception) -> LakeError:
    return LakeError(
        f"the lake file {path} is not readable Parquet: {error}",
        way_out="Put a good copy in its place, or move it away and accept that its rows are gone",
    )


def _last_timestamp_ms(path: Path) -> int | None:
    try:
        metadata = pq.read_metadata(path).metadata or {}
    except FileNotFoundError:
        return None
    except pa.ArrowInvalid as error:
        raise _unreadable(path, error) from error
    value = metadata.get(LAST_TIMESTAMP_KEY)
    return int(value) if value is not None else None


# --- sessions -------------------------------------------------------------------------------------------------------


def sessions_path(lake: Path, topic: str, partition: int) -> Path:
    """Where the checkpoint of a partition's sessions is kept."""
    return lake / POSITIONS / f"{topic}+{partition}.sessions.arrow"


def save_checkpoint(lake: Path, position: Position, sessions: Sessions) -> None:
    """Keep sessions and then the hint that says they are there. Raises `OSError`."""
    crash_point("before_checkpoint")
    landed = sessions.landed
    table = pa.table(
        {
            "session_id": pa.array(landed.keys(), pa.large_string()),
            "max_seq": pa.array([x.max_seq for x in landed.values()], pa.int64()),
            "min_hour": pa.array([x.min_hour for x in landed.values()], pa.int32()),
            "max_hour": pa.array([x.max_hour for x in landed.values()], pa.int32()),
        }
    )
    through = {
        "epoch": position.epoch,
        "next_offset": position.next_offset,
        "forgotten_through_hour": sessions.forgotten_through_hour,
        "repeatable_through_hour": sessions.repeatable_through_hour,
    }
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(
        sink, table.schema.with_metadata({b"through": json.dumps(through).encode()}), options=options
    ) as out:
        out.write_table(table)
    replace_durably(sessions_path(lake, position.topic, position.partition), sink.getvalue().to_pybytes())
    crash_point("between_checkpoint_files")
    save_position(lake, replace(position, folders=()))


def _load_sessions(lake: Path, topic: str, partition: int) -> tuple[Sessions, tuple[int, int]] | None:
    """Checkpointed sessions and the (epoch, offset) that they contain all before; None when there are none."""
    path = sessions_path(lake, topic, partition)
    try:
        with pa.ipc.open_file(pa.BufferReader(path.read_bytes())) as reader:
            table = reader.read_all()
        through = json.loads(table.schema.metadata[b"through"])
        columns = [table.column(name).to_pylist() for name in ("max_seq", "min_hour", "max_hour")]
        landed = {
            s: Landed(*values) for s, *values in zip(table.column("session_id").to_pylist(), *columns, strict=True)
        }
        sessions = Sessions(landed, through["forgotten_through_hour"], through.get("repeatable_through_hour"))
        return sessions, (through["epoch"], through["next_offset"])
    except FileNotFoundError:
        return None
    except (pa.ArrowInvalid, ValueError, KeyError, TypeError) as error:
        _log.warning(
            "a session checkpoint cannot be read, sessions are read from the lake", path=str(path), error=repr(error)
        )
        return None


def _recover_sessions(
    lake: Path, topic: str, partition: int, files: list[StoredFile], hint: Position | None
) -> Sessions:
    """Sessions of the checkpoint plus the files after it; without one that the hint vouches for, of all files."""
    loaded = _load_sessions(lake, topic, partition)
    if loaded is None or hint is None or loaded[1] < (hint.epoch, hint.next_offset):
        loaded = (Sessions(), (0, 0))
        files = files_of(lake, _all_folders(lake, topic), topic, partition)
    sessions, through = loaded
    table = TOPICS[topic].table
    newer = {f.relative for f in files if f.folder.startswith(f"{table}/") and (f.file.epoch, f.file.last) >= through}
    for relative in visible(sorted(newer)):
        if (rows := _rows(lake, relative, None)) is not None:
            sessions.add_rows(rows)
    return sessions


def _rows(lake: Path, relative: str, sessions: frozenset[str] | None) -> pl.DataFrame | None:
    """session_id, seq and `HOUR` of a file, of some sessions or all; None when the file is gone."""
    hour = folder_hour(relative.rpartition("/")[0])
    if hour is None:
        return None
    only = None if sessions is None else pc.field("session_id").isin(pa.array(sorted(sessions), pa.large_string()))
    try:
        table = pq.read_table(lake / relative, columns=["session_id", "seq"], filters=only, partitioning=None)
    except FileNotFoundError:
        return None
    except pa.ArrowInvalid as error:
        raise _unreadable(lake / relative, error) from error
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame.with_columns(pl.lit(hour, pl.Int32).alias(HOUR))


def seqs_in_lake(lake: Path, topic: str, partition: int, lookup: Lookup) -> dict[str, set[int]]:
    """The seqs of sessions that stand in the files of a partition, in the hours that `lookup` names.

    Compaction may take a file away while this reads: then the names are read anew, for the union file is there by then.
    Raises `LakeError` for a file that is not Parquet.
    """
    table = TOPICS[topic].table
    while True:
        folders = [f for f in list_folders(lake, table) if lookup.min_hour <= (folder_hour(f) or 0) <= lookup.max_hour]
        found: dict[str, set[int]] = {session: set() for session in lookup.sessions}
        names = visible(f.relative for f in files_of(lake, folders, topic, partition))
        for relative in names:
            rows = _rows(lake, relative, lookup.sessions)
            if rows is None:
                break
            for session, seq, _ in rows.iter_rows():
                found[session].add(seq)
        else:
            return found
