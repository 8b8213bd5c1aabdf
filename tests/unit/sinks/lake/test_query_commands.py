"""`fleetpulse sql` and `fleetpulse ledger` as people call them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from small_lake import SmallLake

from infra.runtime.errors import SettingError
from sinks.lake.query_cli import open_output, parse_bytes

Moment = Callable[[float], datetime]


def fleetpulse(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    start = "from infra.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", start, *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        input=stdin,
        env=os.environ | environment,
    )


def sql(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """A question that may wait long for its process, which a busy machine starts slowly."""
    return fleetpulse("sql", *arguments, "--timeout", "200s", stdin=stdin, **environment)


def test_an_answer_as_json_from_a_lake_of_the_settings(lake: SmallLake, moment: Moment) -> None:
    lake.add("metrics", [{"timestamp": moment(0), "seq": 4}])
    done = sql("-", "--format", "json", stdin="SELECT seq FROM metrics", FLEETPULSE_LAKE=str(lake.folder))
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, [{"seq": 4}], "")


def test_a_file_is_whole_or_not_there(lake: SmallLake, tmp_path: Path) -> None:
    output = tmp_path / "answer.parquet"
    arguments = ["--lake", str(lake.folder), "--format", "parquet", "--output", str(output), "--max-rows", "30000"]
    refused = sql("SELECT * FROM range(60000)", *arguments)
    assert (refused.returncode, list(tmp_path.glob("*answer*"))) == (2, [])
    assert sql("SELECT * FROM range(30000)", *arguments).returncode == 0
    assert pq.read_metadata(output).num_rows == 30_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("DROP VIEW metrics", "only SELECT is allowed"),
        ("SELECT nonsense FROM metrics", "nonsense"),
        ("SELEC 1", "syntax error"),
    ],
)
def test_refusals_are_one_line_and_exit_2(lake: SmallLake, text: str, said: str) -> None:
    done = sql(text, "--lake", str(lake.folder))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("fleetpulse: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_an_empty_lake_is_said_and_answered(lake: SmallLake) -> None:
    done = sql("SELECT agent_id FROM alerts", "--lake", str(lake.folder))
    assert done.returncode == 0
    assert "0 rows" in done.stdout
    assert "is empty" in done.stderr


def test_the_ledger_as_json(lake: SmallLake, moment: Moment) -> None:
    lake.add("metrics", [{"timestamp": moment(0), "seq": n} for n in (0, 2)])
    done = fleetpulse("ledger", "--lake", str(lake.folder), "--missing", "--json")
    found = json.loads(done.stdout)
    assert (found["total"]["missing"], found["missing_ranges"]) == (1, {"s-a": [[1, 1]]})


@pytest.mark.parametrize(
    ("text", "size"), [("1GB", 10**9), ("2GiB", 2**31), ("500 MB", 5 * 10**8), ("1000", 1000), ("1.5kb", 1500)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_bytes(text, "--memory") == size


@pytest.mark.parametrize("text", ["", "much", "-1MB", "1 fathom", "1e9B"])
def test_what_is_no_size_is_named(text: str) -> None:
    with pytest.raises(SettingError, match="--memory"):
        parse_bytes(text, "--memory")


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="--output"), open_output(tmp_path / "none" / "x.csv"):
        pass
