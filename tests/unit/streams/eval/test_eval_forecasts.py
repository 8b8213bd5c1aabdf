"""Scores of forecasts by hand, and the command through the production operator."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from streams.eval import forecast_scores
from streams.eval.cli import app
from streams.eval.corpus import DataError
from streams.eval.forecasts import Measured, files, judge, report, run, synthetic

START_S = 1_790_035_200.0


def test_brier_by_hand() -> None:
    assert forecast_scores.brier(np.array([0.0, 0.5, 1.0]), np.array([False, True, True])) == pytest.approx(0.25 / 3)


def test_auc_by_hand() -> None:
    """Of the four pairs one is the wrong way round and one a tie."""
    p, happened = np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, True, False, True])
    assert forecast_scores.auc(p, happened) == pytest.approx(3.5 / 4)
    assert np.isnan(forecast_scores.auc(p, np.ones(4, np.bool_)))


def test_reliability_by_hand() -> None:
    bins = forecast_scores.reliability(np.array([0.05, 0.07, 1.0]), np.array([False, True, True]))
    assert [(b["observed"], b["count"]) for b in bins] == [(0.5, 2), (1.0, 1)]
    assert bins[0]["forecast"] == pytest.approx(0.06)


def test_climatology_looks_at_outcomes_that_are_known() -> None:
    """Two steps later the first outcome is known, and so on."""
    rate = forecast_scores.climatology(np.arange(5), np.array([True, False, True, True, True]), 2)
    np.testing.assert_allclose(rate, [1 / 2, 1 / 2, 2 / 3, 2 / 4, 3 / 5])


def test_a_crossing_after_the_horizon_did_not_happen() -> None:
    """Of 3 h = 36 steps: the value crosses at step 100 alone, and the series ends at 149."""
    value = np.full(150, 0.5)
    value[100] = 1.5
    one = Measured("m", START_S + 300.0 * np.arange(150), value, judged_from=20)
    judged = judge(one, run([one])[0], 0)
    assert int(judged.happened.sum()) == 36  # steps 64 to 99
    assert judged.happened.size == (99 - 20 + 1) + (149 - 36 - 100)


def test_the_made_up_fleet_is_the_same_for_the_same_seed() -> None:
    one, other = synthetic(3), synthetic(3)
    assert all((a.value == b.value).all() for a, b in zip(one, other, strict=True))


def test_forecasts_beat_walk_and_climatology_and_leaks_are_found() -> None:
    found = report(synthetic(2))
    for horizon in found["horizons"]:
        assert horizon["skill_against_climatology"] > 0.2
        assert horizon["skill_against_walk"] > 0.05
        assert horizon["auc"] > 0.9
    assert found["leaks"]["found"] >= 10
    assert found["leaks"]["false"] <= 1


def _folder(folder: Path) -> Path:
    rng = np.random.default_rng(1)
    (folder / "data" / "some").mkdir(parents=True)
    (folder / "windows.json").write_text("{}")
    stamps = np.datetime64("2026-01-01T00:00:00") + np.arange(3000) * np.timedelta64(300, "s")
    lines = [f"{t},{v:.3f}" for t, v in zip(stamps.tolist(), 50 + 10 * rng.standard_normal(3000), strict=True)]
    (folder / "data" / "some" / "noise.csv").write_text("timestamp,value\n" + "\n".join(lines) + "\n")
    return folder


def test_command_with_files(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["forecasts", "--data", str(_folder(tmp_path)), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["files"]["series"] == 1
    assert [h["horizon_s"] for h in found["synthetic"]["horizons"]] == [10_800, 21_600, 43_200]
    assert (
        sum(b["count"] for b in found["files"]["horizons"][0]["reliability"]) == found["files"]["horizons"][0]["count"]
    )


def test_thresholds_come_from_the_head_of_a_file_alone(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    [before] = files(folder)
    path = folder / "data" / "some" / "noise.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:1000] + [f"{line.split(',')[0]},1e6" for line in lines[1000:]]) + "\n")
    [after] = files(folder)
    np.testing.assert_array_equal(before.value[:450], after.value[:450])


def test_a_folder_without_series(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        files(tmp_path)


def test_command_prints_tables() -> None:
    done = CliRunner().invoke(app, ["forecasts"])
    assert done.exit_code == 0, done.output
    assert "Reliability" in done.output
    assert "Leaks: " in done.output
