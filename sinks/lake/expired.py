"""Which numbers retention has removed: what has expired is not missing, and only who removes it can still tell.

Before the files of an hour go, `EXPIRED_TABLE` notes the numbers of their events by session: one file a table and day
of the events, replaced as a whole. It names the files that are in it, so that an hour whose removal was cut off is
counted once however often it is begun again.
"""

from __future__ import annotations

import fcntl
import json
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from infra.runtime.logs import get_logger
from schemas.catalogue import TABLES
from sinks.lake.encoding import COMPACTED_LEVEL, ROW_GROUP_ROWS, landing_layout, to_arrow, write_parquet
from sinks.lake.naming import EXPIRED_TABLE, LakeFile, parse_name, visible
from sinks.lake.storage import LOCKS, TEMPORARY, fsync_path, make_folder

EXPIRED_RETENTION_S = max(topic.lake_retention_s for topic in TABLES.values() if not topic.derived)
"""As long as any event of a session may still be in the lake, by default."""
LOCK_AGAIN_S = 0.1
_WHO = ("agent_id", "user_id", "session_id")
_EVENT = dict.fromkeys(_WHO, pl.String) | {"seq": pl.Int64}
_LISTS = [pl.col(name).explode(empty_as_null=False) for name in ("firsts", "lasts")]
_FILES = b"fleetpulse.files"

_log = get_logger("lake.retention")


@contextmanager
def removing(lake: Path, stopping: threading.Event) -> Iterator[bool]:
    """One removal at a time, of all processes: two would overwrite each other's notes.

    Waits for the others; False when `stopping` was set meanwhile. Raises `OSError`.
    """
    make_folder(lake / LOCKS)
    with (lake / LOCKS / "retention").open("wb") as file:
        while not (mine := _is_locked(file.fileno())) and not stopping.wait(LOCK_AGAIN_S):
            pass
        yield mine


def _is_locked(handle: int) -> bool:
    """Lock a file unless another has it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def note_expired(lake: Path, folder: str, names: Sequence[str], stopping: threading.Event) -> bool:
    """Have the numbers of the events in an hour's folder on the disk before its files `names` are removed.

    Of tables that producers do not fill nothing is noted; what a broken file held will count as missing. False when
    `stopping` was set first: then nothing was noted, and nothing may be removed. Raises `OSError`.
    """
    table, day, hour = folder.split("/")
    if table not in TABLES or TABLES[table].derived:
        return True
    path = lake / EXPIRED_TABLE / day / "hour=00" / LakeFile(TABLES[table].name, 0, 0, 0).name
    known = _files_in(path)
    new = [name for name in visible(names) if f"{hour}/{name}" not in known]
    if not new:
        return True
    noted = [pl.read_parquet(path)] if known else []
    found = [_numbers(files, stopping) for files in _by_partition([lake / folder / name for name in new])]
    if stopping.is_set():
        return False
    still = {name for name in known if (lake / table / day / name).exists()}
    frame = _by_session(pl.concat([*noted, *found]))
    _replace(lake, path, frame, sorted(still | {f"{hour}/{name}" for name in names}))
    return True


def _by_partition(files: Sequence[Path]) -> list[list[Path]]:
    """A session lies in one partition: only there may a number come twice."""
    found: defaultdict[int, list[Path]] = defaultdict(list)
    for path in files:
        if (file := parse_name(path.name)) is not None:
            found[file.partition].append(path)
    return list(found.values())


def _files_in(path: Path) -> frozenset[str]:
    """The files that a note holds, those of them that may still be there, as `hour=HH/NAME`; none without a note."""
    try:
        found = pq.read_schema(path).metadata or {}
    except FileNotFoundError:
        return frozenset()
    return frozenset(json.loads(found[_FILES]))


def _numbers(files: Sequence[Path], stopping: threading.Event) -> pl.DataFrame:
    """The events of lake files by session, their numbers as runs of consecutive ones, both ends included.

    Of the events themselves one row group is in memory at a time. Once `stopping` is set the rest is left out.
    """
    found = [_runs(pl.DataFrame(schema=_EVENT))]
    for events in (events for file in files for events in _events(file)):
        if stopping.is_set():
            break
        found.append(_runs(events))
        if sum(frame.height for frame in found[1:]) > max(ROW_GROUP_ROWS, found[0].height):
            found = [_united(found)]
    firsts, lasts = pl.col("firsts"), pl.col("lasts")
    count = (lasts.list.sum() - firsts.list.sum() + lasts.list.len().cast(pl.Int64)).alias("events")
    return _united(found).select(*_WHO, count, lasts.list.last().alias("last_seq"), "firsts", "lasts")


def _events(file: Path) -> Iterator[pl.DataFrame]:
    whole = pl.scan_parquet(file, hive_partitioning=False, glob=False).select(*_EVENT)
    try:
        for first in range(0, whole.select(pl.len()).collect().item(), ROW_GROUP_ROWS):
            yield whole.slice(first, ROW_GROUP_ROWS).collect()
    except pl.exceptions.PolarsError as error:
        _log.error(
            "a file that expires cannot be read: its events will count as missing", file=str(file), why=str(error)
        )


def _runs(events: pl.DataFrame) -> pl.DataFrame:
    """Columns `_WHO`, `firsts`, `lasts`; one row a session."""
    return _joined(events.group_by(_WHO).agg(pl.col("seq").alias("firsts"), pl.col("seq").alias("lasts")))


def _united(found: Sequence[pl.DataFrame]) -> pl.DataFrame:
    sessions = pl.concat(found).group_by(_WHO).agg(*_LISTS)
    runs = int(sessions["firsts"].list.len().sum())
    at_once = max(1, sessions.height * ROW_GROUP_ROWS // max(1, runs))
    return pl.concat([_joined(part) for part in sessions.iter_slices(at_once)] or [sessions])


def _joined(sessions: pl.DataFrame) -> pl.DataFrame:
    """The runs of each row sorted, those that touch or overlap made one."""
    row, firsts = pl.col("row"), pl.col("firsts")
    runs = sessions.select("firsts", "lasts", pl.int_range(pl.len(), dtype=pl.UInt32).alias("row"))
    runs = runs.explode("firsts", "lasts", empty_as_null=False).sort("row", "firsts")
    runs = runs.with_columns(pl.col("lasts").cum_max().over("row"))
    begins = ((row != row.shift()) | (firsts - 1 > pl.col("lasts").shift())).fill_null(value=True)
    ends = begins.shift(-1).fill_null(value=True)
    runs = runs.select(row.filter(begins), firsts.filter(begins), pl.col("lasts").filter(ends))
    lists = runs.group_by("row", maintain_order=True).agg("firsts", "lasts").drop("row")
    return pl.concat([sessions.select(_WHO), lists], how="horizontal")


def _by_session(frame: pl.DataFrame) -> pl.DataFrame:
    summed = frame.group_by(_WHO).agg(pl.col("events").sum(), pl.col("last_seq").max(), *_LISTS)
    return summed.sort("session_id", "agent_id")


def _replace(lake: Path, path: Path, frame: pl.DataFrame, files: list[str]) -> None:
    """A crash leaves the old note or the new, whole."""
    table = to_arrow(frame)
    table = table.replace_schema_metadata({_FILES: json.dumps(files).encode()})
    layout = landing_layout(table.schema)
    layout = type(layout)(layout.dictionary, layout.encodings, COMPACTED_LEVEL)
    make_folder(lake / TEMPORARY)
    temporary = lake / TEMPORARY / f"expired-{uuid.uuid4().hex}"
    try:
        write_parquet(table, temporary, layout)
        make_folder(path.parent)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_path(path.parent)
