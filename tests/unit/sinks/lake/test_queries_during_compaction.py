"""Queries while files are compacted and removed under them, over and over: always all rows, never one twice."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue

import pyarrow as pa
import pyarrow.parquet as pq
from small_lake import SmallLake

from sinks.lake.sql_worker import Request, _begin, _connected
from sinks.lake.views import ask_lake

Moment = Callable[[float], datetime]
MOMENTS = 5
"""Where in a question its compaction begins: after so many different parts of what the last one took."""


def _compact_and_scatter(files: list[Path], turns: SimpleQueue[float | None], idle: threading.Event) -> None:
    """What compaction does, without its grace, and its opposite: once for each turn, so many seconds after it came."""
    folder = files[0].parent
    whole = folder / f"fleet.metrics+0+0+{len(files) - 1}+1of1c.parquet"
    tables = [pq.read_table(file) for file in files]

    def write(table: pa.Table, path: Path) -> None:
        temporary = path.with_suffix(".tmp")
        pq.write_table(table, temporary)
        os.replace(temporary, path)  # noqa: PTH105  # the one system call that is meant

    while (pause_s := turns.get()) is not None:
        time.sleep(pause_s)
        write(pa.concat_tables(tables), whole)
        for file in files:
            file.unlink()
        for file, table in zip(files, tables, strict=True):
            write(table, file)
        whole.unlink()
        idle.set()


def test_a_count_is_right_at_every_moment(lake: SmallLake, moment: Moment) -> None:
    files = [lake.add("metrics", [{"timestamp": moment(n), "seq": n, "cpu_usage": 1.0}])[0] for n in range(6)]
    request = Request(str(lake.folder), "SELECT count(*) AS n, sum(cpu_usage) AS s FROM metrics", 20.0, 10, 10**9, 2)

    def by_the_worker() -> None:
        _, batch = _begin(request, _connected())
        assert batch is not None
        assert batch.to_pylist() == [{"n": 6, "s": 6.0}]

    def by_ourselves() -> None:
        sql = "SELECT sum(cpu_usage) FROM metrics"
        assert ask_lake(lake.folder, ["metrics"], lambda c: c.execute(sql).fetchone()) == (6.0,)

    turns: SimpleQueue[float | None] = SimpleQueue()
    idle = threading.Event()
    idle.set()
    thread = threading.Thread(target=_compact_and_scatter, args=(files, turns, idle))
    thread.start()
    try:
        for ask in (by_the_worker, by_ourselves):
            took_s = 0.0
            for number in range(4 * MOMENTS):
                # A question meets one compaction at most, so two moments at which files vanish: a query is asked
                # again as often, however slow this machine is, and here none is to be asked more often than it may.
                if idle.is_set():
                    idle.clear()
                    turns.put(number % MOMENTS / MOMENTS * took_s)
                began_s = time.monotonic()
                ask()
                took_s = time.monotonic() - began_s
    finally:
        turns.put(None)
        thread.join()
