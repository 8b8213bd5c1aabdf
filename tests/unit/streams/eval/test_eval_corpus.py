from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from streams.eval.cli import app
from streams.eval.corpus import DataError, read_corpus, read_series, times_of

NOON_S = 1_388_577_600.0
"""2014-01-01 12:00:00 UTC."""


@pytest.mark.parametrize(
    "text",
    [
        "2014-01-01 12:00:00",
        "2014-01-01T12:00:00Z",
        "2014-01-01t12:00:00.000000Z",
        "2014-01-01T12:00:00.000000000",
        "2014-01-01T14:00:00+02:00",
        "2014-01-01T14:00:00.000+0200",
        "2014-01-01 07:00:00-05",
        "2014-01-01 12:00:00 UTC",
        "2014-01-01 12:00:00+00:00",
        "2014/01/01 12:00:00",
        " 2014-01-01 12:00 ",
        "1388577600",
        "1388577600.0",
        "1388577600000",
        "1388577600000000",
        "1388577600000000000",
    ],
)
def test_a_time_is_read_however_it_is_written(text: str) -> None:
    assert times_of(pl.Series([text])).tolist() == [NOON_S]


def test_zones_may_differ_from_row_to_row() -> None:
    found = times_of(pl.Series(["2014-01-01T12:00:00Z", "2014-01-01T13:00:00+01:00", "soon", "", "2014-01-01"]))
    np.testing.assert_array_equal(found, [NOON_S, NOON_S, np.nan, np.nan, NOON_S - 43_200])


@pytest.mark.parametrize(
    "text",
    [
        "timestamp,value\r\n0,1\r\n300,2\r\n",
        "\ufeffTimestamp, VALUE\n0,1\n300,2\n",
        "label,timestamp,other,value\nx,0,7,1\ny,300,8,2\n",
        "timestamp;value\n0;1\n300;2\n",
        "timestamp\tvalue\n0\t1\n300\t2\n",
        "timestamp,value,Value,value\n0,1,8,9\n300,2,8,9\n",
        '"timestamp","value"\n"0","1"\n"300"," 2 "\n',
        "timestamp,value\n0,1,7,7\n300,2",
    ],
)
def test_a_series_is_read_whatever_tool_wrote_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, "utf-8", newline="")
    series = read_series(path)
    assert series.event_time_s.tolist() == [0.0, 300.0]
    assert series.value.tolist() == [1.0, 2.0]


def _folder(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (root / "windows.json").write_text(json.dumps({"a/one.csv": [[3000, 6000]]}))
    return root


def _rows(order: list[int]) -> str:
    return "timestamp,value\n" + "".join(f"{300 * i},{100 if i < 15 else 900}\n" for i in order)


def test_disorder_doubles_single_rows_and_no_rows_are_no_obstacle(tmp_path: Path) -> None:
    shuffled = np.random.default_rng(1).permutation(np.repeat(np.arange(40), 2)).tolist()
    files = {"a/one.csv": _rows(shuffled), "b/single.csv": _rows([1]), "b/none.csv": "timestamp,value\n"}
    found = CliRunner().invoke(app, ["nab", "--data", str(_folder(tmp_path, files)), "--json"])
    assert found.exit_code == 0, found.exception
    report = json.loads(found.stdout)
    assert {name: scores["windows"] for name, scores in report["files"].items()} == {
        "a/one.csv": 1,
        "b/none.csv": 0,
        "b/single.csv": 0,
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "cannot be read as CSV"),
        ("time,value\n0,1\n", "no column timestamp"),
        ("timestamp,value\nsoon,1\n", "no readable time"),
        ("timestamp,value\n01/02/2014 10:00,1\n", "no readable time"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, text: str, problem: str) -> None:
    folder = _folder(tmp_path, {"a/one.csv": _rows([0, 1]), "b/odd.csv": text})
    with pytest.raises(DataError, match=problem) as caught:
        list(read_corpus(folder))
    assert "odd.csv" in str(caught.value)
