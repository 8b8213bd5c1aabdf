"""Queries while files are compacted and removed under them, over and over: always all rows, never one twice."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from small_lake import SmallLake

from sinks.lake.sql_worker import Request, _begin, _connected
from sinks.lake.views import ask_lake

Moment = Callable[[float], datetime]


def _compact_and_scatter(files: list[Path], done: threading.Event, took_s: list[float]) -> None:
    """What compaction does, without its grace, and its opposite; not before who asks could ask again."""
    folder = files[0].parent
    whole = folder / f"fleet.metrics+0+0+{len(files) - 1}+1of1c.parquet"
    tables = [pq.read_table(file) for file in files]

    def write(table: pa.Table, path: Path) -> None:
        temporary = path.with_suffix(".tmp")
        pq.write_table(table, temporary)
        os.replace(temporary, path)  # noqa: PTH105  # the one system call that is meant

    while not done.wait(max(0.15, 2 * took_s[-1])):
        write(pa.concat_tables(tables), whole)
        for file in files:
            file.unlink()
        for file, table in zip(files, tables, strict=True):
            write(table, file)
        whole.unlink()


def test_a_count_is_right_at_every_moment(lake: SmallLake, moment: Moment) -> None:
    files = [lake.add("metrics", [{"timestamp": moment(n), "seq": n, "cpu_usage": 1.0}])[0] for n in range(6)]
    request = Request(str(lake.folder), "SELECT count(*) AS n, sum(cpu_usage) AS s FROM metrics", 20.0, 10, 10**9, 2)
    began_s = time.monotonic()
    _begin(request, _connected())
    done, took_s = threading.Event(), [2 * (time.monotonic() - began_s)]
    thread = threading.Thread(target=_compact_and_scatter, args=(files, done, took_s))
    thread.start()
    try:
        for _ in range(15):
            began_s = time.monotonic()
            _, batch = _begin(request, _connected())
            assert batch is not None
            assert batch.to_pylist() == [{"n": 6, "s": 6.0}]
            assert ask_lake(
                lake.folder, ["metrics"], lambda c: c.execute("SELECT sum(cpu_usage) FROM metrics").fetchone()
            ) == (6.0,)
            took_s.append(time.monotonic() - began_s)
    finally:
        done.set()
        thread.join()
