from __future__ import annotations

import json

import numpy as np
import pytest

from streams.eval.fleets import LOSSY, MIXED, STANDARD, Fleet
from streams.eval.heartbeats import BARS, Bar, main, measure, rounds_for, scan_ms, watchers_of
from streams.eval.watchers import FixedTimeout, Watcher
from streams.operators.heartbeat import HeartbeatConfig


def _no_news(_: float) -> None:
    pass


@pytest.mark.parametrize("fleet", [STANDARD, MIXED, LOSSY], ids=lambda fleet: fleet.name)
def test_beats_are_lost_as_the_classes_say(fleet: Fleet) -> None:
    agents = 1000 * len(fleet.classes)
    lost = np.array([np.isnan(arrivals) for arrivals in fleet.arrivals(agents, 400, seed=3)])
    for number, kind in enumerate(fleet.classes):
        mine = lost[:, number :: len(fleet.classes)]
        assert mine.mean() == pytest.approx(kind.miss, rel=0.1, abs=2e-5)
        if kind.miss >= 0.001:
            assert mine[1:][mine[:-1]].mean() == pytest.approx(kind.again, abs=0.05)


def test_the_mixed_fleet_is_the_one_on_which_the_bar_was_measured() -> None:
    """Published: a fixed timeout of 5.5 intervals has 21.5 false suspicions an agent-year."""
    agents = 4096
    watchers: list[Watcher] = [FixedTimeout(5.5, agents, 30.0)]
    report = measure(Bar(MIXED), watchers, agents, rounds_for(15, agents, 30.0), 1, _no_news)
    assert report.measured[0].false_a_year == pytest.approx(21.5, abs=3)


@pytest.mark.parametrize("bar", BARS, ids=lambda bar: bar.fleet.name)
def test_the_operator_meets_its_bars(bar: Bar) -> None:
    agents = 1024
    watchers = watchers_of(HeartbeatConfig(), agents, bar.fleet.interval_s)
    report = measure(bar, watchers, agents, rounds_for(4, agents, bar.fleet.interval_s), 5, _no_news)
    assert report.met
    naive = report.measured[-1]
    assert naive.false_a_year > 1000


def test_a_scan_of_all_deadlines_is_short() -> None:
    assert scan_ms(HeartbeatConfig(), rounds=21) < 5


def test_the_same_seed_gives_the_same_report(capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for _ in range(2):
        main(0.2, 7, as_json=True)
        told = capsys.readouterr()
        assert told.err == "", "progress is for terminals"
        report = json.loads(told.out)
        report["scan"].pop("ms")
        found.append(report)
    assert found[0] == found[1]
    assert found[0]["standard"]["met"] is True
    assert found[0]["lossy"]["bar"] is None
