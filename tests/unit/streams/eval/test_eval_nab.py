from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from streams.eval.cli import app
from streams.eval.corpus import DataError, read_corpus
from streams.eval.nab_scoring import PROFILES, Tally, position_score, probation, tally, window_rows
from streams.operators.anomaly import AnomalyConfig

STANDARD = PROFILES["standard"]


def _at(rows: int, *flags: int) -> np.ndarray:
    flagged = np.zeros(rows, np.bool_)
    flagged[list(flags)] = True
    return flagged


def test_probation_is_a_seventh_part_and_at_most_750_rows() -> None:
    assert (probation(100), probation(4032), probation(22_695)) == (15, 604, 750)


def test_a_flag_at_the_first_row_of_every_window_is_perfect() -> None:
    found = tally(_at(200, 100, 150), [(100, 119), (150, 169)])
    assert (found.windows, found.found, found.false_positives) == (2, 2, 0)
    assert found.gain == pytest.approx(2.0)
    assert [found.normalised(profile) for profile in PROFILES.values()] == pytest.approx([100.0] * 3)


def test_no_flag_is_nought_whatever_the_profile() -> None:
    assert [tally(_at(200), [(100, 119)]).normalised(profile) for profile in PROFILES.values()] == [0.0] * 3


def test_only_the_earliest_flag_of_a_window_earns() -> None:
    found = tally(_at(200, 110, 111, 115), [(100, 119)])
    assert found.gain == pytest.approx((2 / (1 + math.exp(-2.5)) - 1) / (2 / (1 + math.exp(-5)) - 1))
    assert found.false_positives == 0


def test_a_flag_outside_costs_the_more_the_farther_it_is_behind_its_window() -> None:
    near, far = tally(_at(400, 120), [(100, 119)]), tally(_at(400, 300), [(100, 119)])
    assert near.loss == pytest.approx(1 - 2 / (1 + math.exp(5 / 19)))
    assert far.loss == 1.0
    assert tally(_at(200, 50), [(100, 119)]).loss == 1.0
    assert near.raw(STANDARD) == pytest.approx(-0.11 * near.loss - 1.0)
    assert near.raw(PROFILES["low_fn"]) == pytest.approx(-0.11 * near.loss - 2.0)
    assert position_score(3.01) == -1.0


def test_probation_counts_nothing() -> None:
    found = tally(_at(200, 3, 29), [(10, 20), (100, 119)])
    assert (found.windows, found.false_positives) == (1, 0)


def test_without_windows_there_is_no_score() -> None:
    assert math.isnan(Tally().normalised(STANDARD))


def test_windows_hold_the_rows_between_their_ends() -> None:
    times = np.arange(10.0) * 300
    assert window_rows(times, [(300.0, 900.0), (950.0, 1100.0), (2600.0, 9e9)]) == [(1, 3), (9, 9)]


def _text(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _corpus(folder: Path) -> Path:
    """One file with a jump in its window, one without any."""
    rng = np.random.default_rng(3)
    (folder / "data" / "made").mkdir(parents=True)
    for name, jump in (("jump", 80.0), ("calm", 0.0)):
        values = rng.normal(100, 2, 1000)
        values[700:] += jump
        lines = [f"{_text(1_400_000_000 + 300 * i)},{value}" for i, value in enumerate(values)]
        (folder / "data" / "made" / f"{name}.csv").write_text("timestamp,value\n" + "\n".join(lines) + "\n")
    window = [_text(1_400_000_000 + 300 * row) for row in (680, 740)]
    (folder / "windows.json").write_text(json.dumps({"made/jump.csv": [window]}))
    return folder


def test_the_command_scores_a_folder(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["nab", "--data", str(_corpus(tmp_path)), "--json"])
    assert found.exit_code == 0
    report = json.loads(found.stdout)
    assert report["threshold"] == AnomalyConfig().threshold
    assert set(report["total"]) == set(report["best"]) == {"standard", "low_fp", "low_fn"}
    assert report["files"]["made/jump.csv"]["found"] == 1
    assert report["files"]["made/calm.csv"]["standard"] is None
    assert all(report["best"][name] >= report["total"][name] for name in report["total"])
    assert "best" in CliRunner().invoke(app, ["nab", "--data", str(tmp_path)]).stdout


def test_a_file_that_windows_do_not_name_has_none(tmp_path: Path) -> None:
    assert [(s.name, len(s.windows)) for s in read_corpus(_corpus(tmp_path))] == [
        ("made/calm.csv", 0),
        ("made/jump.csv", 1),
    ]


@pytest.mark.parametrize(
    ("windows", "problem"),
    [(None, "there is no file"), ("{", "cannot be read"), ('{"a": [["soon", "later"]]}', "no pairs of times")],
)
def test_a_corpus_that_cannot_be_used_is_said(tmp_path: Path, windows: str | None, problem: str) -> None:
    with pytest.raises(DataError, match="has no data"):
        list(read_corpus(tmp_path))
    path = _corpus(tmp_path) / "windows.json"
    path.unlink()
    if windows is not None:
        path.write_text(windows)
    with pytest.raises(DataError, match=problem):
        list(read_corpus(tmp_path))
