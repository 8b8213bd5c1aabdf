"""Fleets of strangers: a file or options, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from infra.runtime.errors import SettingError
from streams.eval.cli import app
from streams.eval.fleet_file import load_fleets, loss_class, one_fleet
from streams.eval.fleets import START_S, Fleet, LossClass
from streams.eval.watchers import StartingPoint

FILE = """\
version: 1
fleets:
  - name: branch offices
    interval: 20s
    jitter: 0.05
    delay: {median: 200ms, spread: 0.5}
    kinds: [{loss: 0}, {loss: 0.05, burst: 2}]
    bar: {timeout: 4.5, false: 30}
  - {name: plain, kinds: [{loss: 0.01}]}
"""


def _file(folder: Path, text: str) -> Path:
    path = folder / "fleets.yaml"
    path.write_text(text)
    return path


def test_a_file_of_fleets(tmp_path: Path) -> None:
    offices, plain = load_fleets(_file(tmp_path, FILE))
    kinds = (LossClass(0, 0), LossClass(0.05, 0.5))
    assert offices.fleet == Fleet("branch offices", kinds, 20.0, 0.05, 0.2, 0.5)
    assert (offices.timeout, offices.false) == (4.5, 30)
    assert plain.fleet == Fleet("plain", (LossClass(0.01, 0.01),), 30.0, 0.0)
    assert plain.as_json() is None


def test_the_fleets_of_the_decision_can_be_read() -> None:
    bars = load_fleets(Path(__file__).parents[4] / "docs" / "mixed-fleets.yaml")
    assert len({bar.fleet.name for bar in bars}) == len(bars) == 10
    assert {(bar.timeout, bar.false) for bar in bars} == {(4.0, 25.0)}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("loss: 0.05", "loss: 0.6", r"line 7, column 31: fleets\[0\].kinds\[1\].loss"),
        ("200ms", "soon", r"line 6, column 21: .*'soon' is not a duration"),
        ("jitter", "jiter", r"line 5, column 5: .*did you mean jitter"),
        ("version: 1", "version: 2", "line 1, column 10"),
        (FILE, "", "is empty"),
    ],
)
def test_mistakes_are_told_at_their_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(SettingError, match=told):
        load_fleets(_file(tmp_path, FILE.replace(old, new)))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot be read"):
        load_fleets(tmp_path / "none.yaml")


@pytest.mark.parametrize(("loss", "burst", "length"), [(0.05, None, 1 / 0.95), (0.05, 2.0, 2.0), (0.2, 3.0, 3.0)])
def test_losses_come_in_bursts_of_the_length_that_was_asked_for(
    loss: float, burst: float | None, length: float
) -> None:
    fleet = one_fleet(loss, burst, 0.0, 30.0).fleet
    assert fleet.classes == (loss_class(loss, burst),)
    lost = np.array([np.isnan(arrival_s) for arrival_s in fleet.arrivals(400, 2000, 1)])
    begun = lost & ~np.vstack([np.zeros(400, np.bool_), lost[:-1]])
    assert lost.mean() == pytest.approx(loss, rel=0.05)
    assert lost.sum() / begun.sum() == pytest.approx(length, rel=0.05)


def test_the_way_takes_its_time() -> None:
    fleet = Fleet("far", (LossClass(0, 0),), 30.0, 0.0, 0.2, 0.5)
    first = next(fleet.arrivals(4001, 1, 1)) - START_S
    assert np.median(first) == pytest.approx(0.2, rel=0.1)
    assert np.log(first).std() == pytest.approx(0.5, rel=0.1)


def test_the_published_formula_where_it_can_be_reckoned_by_hand() -> None:
    """Without loss p stays near its start, rho at 0.1: K = 1 + ceil(5 + log10 p) = 4, and no jitter but what fades."""
    watcher, slots = StartingPoint(1, 30.0), np.zeros(1, np.int32)
    for number in range(2000):
        watcher.beat(slots, np.array([30.0 * number]))
    assert watcher.deadline_s[0] - 30.0 * 1999 == pytest.approx(30 * (2 + 0.05), abs=0.01)  # p at its least: K = 2
    watcher.beat(slots, np.array([30.0 * 2001]))  # one lost: p = .0001 + .002*.9999, K = 1 + ceil(5 - 2.68) = 4
    assert watcher.deadline_s[0] - 30.0 * 2001 == pytest.approx(30 * (4 + 0.05), abs=0.01)


def test_the_command_judges_a_fleet_of_ones_own(tmp_path: Path) -> None:
    short = ["heartbeats", "--years", "0.1", "--agents", "64", "--json"]
    found = CliRunner().invoke(app, [*short, "--loss", "0.02", "--burst", "3", "--jitter", "0.05", "--phi", "4"])
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout.splitlines()[-1])
    assert {"given", "scan", "seed", "phi"} == report.keys()
    assert report["phi"] == 4
    assert "loss-aware phi as published" in report["given"]["peers"]
    found = CliRunner().invoke(app, [*short, "--fleet", str(_file(tmp_path, FILE))])
    assert {"branch offices", "plain"} < json.loads(found.stdout.splitlines()[-1]).keys()
    both = CliRunner().invoke(app, [*short, "--fleet", str(tmp_path), "--loss", "0.1"])
    assert isinstance(both.exception, SettingError)
