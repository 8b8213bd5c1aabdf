from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from streams.eval.cli import app
from streams.eval.corpus import DataError, read_series
from streams.eval.replay import flags_of
from streams.eval.series import read_checked, scored_rows
from streams.operators.anomaly import AnomalyConfig

START_S = 1_400_000_000


def _write(path: Path, lines: list[str], header: str = "timestamp,value") -> Path:
    path.write_text("\n".join([header, *lines]) + "\n", "utf-8")
    return path


def _jump(path: Path, step_s: float = 300.0) -> Path:
    values = np.random.default_rng(1).normal(100, 2, 400)
    values[350:] += 60
    return _write(path, [f"{START_S + step_s * i},{value}" for i, value in enumerate(values)])


@pytest.mark.parametrize("step_s", [1.0, 60.0, 300.0, 86_400.0])
def test_every_value_has_its_score_at_any_cadence(tmp_path: Path, step_s: float) -> None:
    found = CliRunner().invoke(app, ["series", "--data", str(_jump(tmp_path / "a.csv", step_s)), "--json"])
    assert found.exit_code == 0
    rows = json.loads(found.stdout)["values"]
    assert len(rows) == 400
    assert rows[0]["score"] is None
    assert all(row["score"] >= 0 and row["lower"] <= row["expected"] <= row["upper"] for row in rows[20:350])
    flagged = [i for i, row in enumerate(rows) if row["flag"]]
    assert set(flagged) & {350, 351, 352}
    assert sum(i < 350 for i in flagged) <= 3
    assert all(0 < rows[i]["confidence"] <= 1 for i in flagged)
    assert rows[0]["timestamp"] == "2014-05-13T16:53:20Z"
    assert [row["index"] for row in rows] == list(range(400))


def test_the_table_has_the_flagged_ones(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["series", "--data", str(_jump(tmp_path / "a.csv"))])
    assert found.exit_code == 0
    assert "of 399 scored values flagged" in " ".join(found.stdout.split())


def test_scores_say_what_flags_say(tmp_path: Path) -> None:
    series = read_series(_jump(tmp_path / "a.csv"))
    rows = list(scored_rows(AnomalyConfig(), series))
    assert [row["flag"] for row in rows] == flags_of(AnomalyConfig(), series).tolist()


def test_unsorted_double_and_absent_rows_stay_in_their_places(tmp_path: Path) -> None:
    lines = [
        "2014-01-01 00:10:00,3",
        "2014-01-01 00:00:00,1",
        "2014-01-01 00:05:00,nan",
        "soon,4",
        "2014-01-01 00:10,5",
    ]
    rows = list(scored_rows(AnomalyConfig(), read_checked(_write(tmp_path / "a.csv", lines))))
    assert [row["value"] for row in rows] == [3.0, 1.0, None, 4.0, 5.0]
    assert [row["score"] is not None for row in rows] == [True, False, False, False, False]
    assert rows[3]["timestamp"] is None


@pytest.mark.parametrize(
    ("header", "lines", "problem"),
    [
        ("timestamp,number", ["1,2"], "no column value"),
        ("timestamp,value", [], "no number"),
        ("timestamp,value", ["2014-01-01 00:00:00,many"], "no number"),
        ("timestamp,value", ["soon,1"], "no readable time"),
    ],
)
def test_what_cannot_be_scored_is_said(tmp_path: Path, header: str, lines: list[str], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        read_checked(_write(tmp_path / "a.csv", lines, header))


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        read_checked(tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match="cannot be read"):
        read_checked(tmp_path / "empty.csv")


def _no_constant(text: str) -> float:
    raise AssertionError(f"bare {text} is no JSON")


def _printed(path: Path) -> list[dict[str, object]]:
    found = CliRunner().invoke(app, ["series", "--data", str(path), "--json"])
    assert found.exit_code == 0, found.exception
    rows: list[dict[str, object]] = json.loads(found.stdout, parse_constant=_no_constant)["values"]
    assert CliRunner().invoke(app, ["series", "--data", str(path)]).exit_code == 0
    return rows


@pytest.mark.parametrize(
    "values",
    [
        [7.0] * 300,
        [1e300 * (-1) ** i for i in range(300)],
        [5.0] * 250 + [1e300] + [5.0] * 49,
        [-float(i) for i in range(300)],
        [1e-300 * i for i in range(300)],
        list(range(300)),
        [math.nan, math.inf, -math.inf] * 50 + [1.0] * 150,
    ],
)
def test_every_number_gives_json_that_others_can_read(tmp_path: Path, values: list[float]) -> None:
    rows = _printed(_write(tmp_path / "a.csv", [f"{START_S + 300 * i},{value}" for i, value in enumerate(values)]))
    finite = sum(math.isfinite(value) for value in values)
    assert len(rows) == len(values)
    assert sum(row["score"] is not None for row in rows) == finite - 1


def test_a_spike_beyond_what_float32_holds_is_flagged(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(5, 1, 400)
    values[350] = 1e300
    rows = _printed(_write(tmp_path / "a.csv", [f"{START_S + 300 * i},{value}" for i, value in enumerate(values)]))
    assert rows[350]["flag"]
    assert rows[350]["value"] == 1e300


@pytest.mark.parametrize(("header", "line"), [("value", "{}"), ("timestamp,value", ",{}")])
def test_without_timestamps_rows_are_five_minutes_apart(tmp_path: Path, header: str, line: str) -> None:
    lines = [line.format(i % 7) for i in range(200)]
    with_times = [f"{300 * i},{i % 7}" for i in range(200)]
    rows = _printed(_write(tmp_path / "a.csv", lines, header))
    assert [row["score"] for row in rows] == [row["score"] for row in _printed(_write(tmp_path / "b.csv", with_times))]


def test_one_row_has_no_score(tmp_path: Path) -> None:
    assert [row["score"] for row in _printed(_write(tmp_path / "a.csv", ["2014-01-01 00:00:00,3"]))] == [None]
