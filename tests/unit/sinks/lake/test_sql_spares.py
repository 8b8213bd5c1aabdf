"""Processes kept ready for SQL: each answers once, behind the same walls, and none outlives whoever keeps it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from small_lake import SmallLake, at

from infra.runtime.errors import QueryRefusedError
from sinks.lake.sql import QueryFailedError, SqlLimits, run_sql
from sinks.lake.sql_process import Spares

PATIENCE_S = 120.0


@pytest.fixture
def spares() -> Iterator[Spares]:
    kept = Spares()
    yield kept
    kept.close()


def ask(lake: SmallLake, spares: Spares, sql: str, tenant: str | None = None, **limits: float) -> list[object]:
    wanted = SqlLimits(**{"timeout_s": PATIENCE_S, "threads": 2} | limits)
    with run_sql(lake.folder, sql, wanted, tenant=tenant, start=spares.take) as answer:
        return [tuple(row.values()) for row in pa.Table.from_batches(list(answer), answer.schema).to_pylist()]


def until(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end_s, "in vain"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs: one that ended and waits to be reaped does not."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_each_process_answers_one_question_and_is_gone(lake: SmallLake, spares: Spares) -> None:
    lake.add(
        "trust", [{"timestamp": at(n), "agent_id": f"a{n}", "user_id": "acme" if n else "other"} for n in range(3)]
    )
    spares.refill()
    first, second = spares.waiting()
    assert ask(lake, spares, "SELECT count(*) FROM trust", "acme") == [(2,)]
    assert spares.waiting() == [second]
    until(lambda: not alive(first))
    assert ask(lake, spares, "SELECT count(*) FROM trust") == [(3,)]
    assert spares.waiting() == []
    assert ask(lake, spares, "SELECT 1") == [(1,)]  # none waits: a new one
    spares.refill()
    assert not {first, second} & set(spares.waiting())


def test_walls_of_one_that_waited_are_those_of_the_question(lake: SmallLake, spares: Spares, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("password\nhunter2\n")
    victims = [lake.add("metrics", [{"timestamp": at(0)}])[0], lake.folder / "evil.csv"]
    spares.refill()
    with pytest.raises(QueryRefusedError, match="--memory"):
        ask(lake, spares, "SELECT a.range FROM range(100000000) a ORDER BY hash(a.range)", memory_bytes=64_000_000)
    with pytest.raises(QueryRefusedError, match="--timeout"):
        ask(lake, spares, "SELECT sum(hash(range)) FROM range(1000000000000)", timeout_s=1.0)
    before = victims[0].read_bytes()
    for victim in victims:
        spares.refill()
        with pytest.raises(QueryRefusedError, match="COPY"):
            ask(lake, spares, f"WITH x AS (COPY (SELECT 1) TO '{victim}') SELECT * FROM x")
    for sql in (f"SELECT * FROM read_parquet('{secret}')", "SELECT getenv('HOME')", "SELECT * FROM connection"):
        spares.refill()
        with pytest.raises((QueryRefusedError, QueryFailedError)):
            ask(lake, spares, sql)
    assert (victims[0].read_bytes(), victims[1].exists()) == (before, False)


def test_one_that_waits_can_write_no_more_and_has_no_environment(
    spares: Spares, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEETPULSE_SECRET", "s3cret")
    spares.refill()
    for pid in spares.waiting():
        until(lambda: "Max file size             0 " in Path(f"/proc/{pid}/limits").read_text())  # noqa: B023  # called at once
        assert b"s3cret" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_one_that_ended_while_it_waited_is_passed_over(lake: SmallLake, spares: Spares) -> None:
    spares.refill()
    for pid in spares.waiting():
        os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(pid))  # noqa: B023  # called at once
    assert ask(lake, spares, "SELECT 1") == [(1,)]


def test_they_end_when_nobody_asks_for_long_and_at_the_close(lake: SmallLake) -> None:
    spares = Spares(idle_s=0.2)
    try:
        spares.refill()
        until(lambda: not spares.waiting())
        assert ask(lake, spares, "SELECT 1") == [(1,)]
    finally:
        spares.close()
    spares.refill()
    assert spares.waiting() == []


_SERVER = """
import sys
from sinks.lake.sql_process import Spares
spares = Spares()
spares.refill()
print(*spares.waiting(), flush=True)
sys.stdin.read()
"""


def test_they_die_with_a_server_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        waiting = [int(word) for word in server.stdout.readline().split()]
        assert len(waiting) == 2
        assert all(alive(pid) for pid in waiting)
        server.kill()
    until(lambda: not any(alive(pid) for pid in waiting))
