from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from streams.eval.cli import app
from streams.eval.corpus import DataError
from streams.eval.held_out import held_out
from streams.eval.nab_scoring import PROFILES, Tally

HIT, MISS = Tally(1, 1, 1.0, 0, 0.0), Tally(1, 0, 0.0, 0, 0.0)


def test_what_is_best_everywhere_is_best_on_what_is_held_out() -> None:
    files = [f"{folder}/{i}.csv" for folder in "ab" for i in range(4)]
    found = held_out([dict.fromkeys(files, MISS), dict.fromkeys(files, HIT)])
    for scores in found.values():
        assert (scores.mean, scores.sd, scores.by_file, scores.by_category) == (100.0, 0.0, 100.0, 100.0)


def test_a_threshold_that_suits_one_folder_fails_on_the_other() -> None:
    """Either threshold finds the windows of one folder only: what is chosen without a folder finds nothing there."""
    files = [f"{folder}/{i}.csv" for folder in "ab" for i in range(4)]
    tallies = [{name: HIT if name.startswith(folder) else MISS for name in files} for folder in "ab"]
    found = held_out(tallies)["standard"]
    assert found.by_category == 0.0
    assert found.low <= found.mean <= found.high
    assert 0.0 < found.mean < 50.0


def test_the_estimate_does_not_exceed_the_best_by_more_than_luck() -> None:
    rng = np.random.default_rng(1)
    tallies = [
        {f"a/{i}": Tally(1, int(hit), float(hit), int(false), float(false)) for i, (hit, false) in enumerate(rows)}
        for rows in (np.column_stack([rng.random(20) < share, rng.poisson(2 * share, 20)]) for share in (0.3, 0.6, 0.9))
    ]
    found = held_out(tallies)
    for name, profile in PROFILES.items():
        best = max(sum(files.values(), Tally()).normalised(profile) for files in tallies)
        assert found[name].by_file <= best + 1e-9
        assert found[name].mean <= best + found[name].sd


def test_the_same_files_give_the_same_estimate() -> None:
    tallies = [{f"a/{i}": HIT if i % share else MISS for i in range(9)} for share in (2, 3)]
    assert held_out(tallies) == held_out(tallies)


def test_one_file_with_windows_is_too_few() -> None:
    with pytest.raises(DataError, match="two files with windows"):
        held_out([{"a/1": HIT, "a/2": Tally()}])


def _jump(path: Path, seed: int) -> None:
    values = np.random.default_rng(seed).normal(100, 2, 400)
    values[300:] += 80
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{1_400_000_000 + 300 * i},{value}" for i, value in enumerate(values)]
    path.write_text("timestamp,value\n" + "\n".join(lines) + "\n")


def test_the_command_prints_the_estimate_where_asked_for(tmp_path: Path) -> None:
    for i, name in enumerate(("a/1", "a/2", "b/3")):
        _jump(tmp_path / "data" / f"{name}.csv", i)
    window = [1_400_000_000 + 300 * 290, 1_400_000_000 + 300 * 340]
    (tmp_path / "windows.json").write_text(json.dumps({f"{name}.csv": [window] for name in ("a/1", "a/2", "b/3")}))
    found = CliRunner().invoke(app, ["nab", "--data", str(tmp_path), "--held-out", "--json"])
    assert found.exit_code == 0
    report = json.loads(found.stdout)
    assert 0 < report["held_out"]["mean"]["standard"] <= 100
    assert set(report["held_out"]) == {"mean", "sd", "low", "high", "by_file", "by_category"}
    assert "held_out" not in json.loads(CliRunner().invoke(app, ["nab", "--data", str(tmp_path), "--json"]).stdout)
    assert "held out" in " ".join(
        CliRunner().invoke(app, ["nab", "--data", str(tmp_path), "--held-out"]).stdout.split()
    )
