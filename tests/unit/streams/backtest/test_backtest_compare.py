"""Which firings are one and which stand alone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from infra.runtime.errors import SettingError
from streams.backtest.cli import moment_us
from streams.backtest.compare import Raised, compare

S = 1_000_000


def one(start_s: float, end_s: float | None = None, *, agent: str = "a", metric: str = "", name: str = "r") -> Raised:
    return Raised(name, agent, int(start_s * S), None if end_s is None else int(end_s * S), metric)


def test_firings_that_touch_are_one_and_each_has_one_partner() -> None:
    then = [one(100, 110), one(500, 510), one(2_000)]
    now = [one(150, 160), one(505), one(506)]
    found = compare(then, now)
    assert found.matched == [(then[0], now[0]), (then[1], now[1]), (then[2], now[2])]
    assert compare([one(100, 110)], [one(171, 180)]).matched == []


@pytest.mark.parametrize("other", [one(0, agent="b"), one(0, metric="cpu_usage"), one(0, name="q")], ids=str)
def test_another_agent_metric_or_rule_is_another_alert(other: Raised) -> None:
    found = compare([one(0)], [other])
    assert (found.matched, found.only_then, found.only_now) == ([], [one(0)], [other])


def test_counts_by_rule() -> None:
    found = compare([one(0), one(0, name="gone")], [one(1), one(900, agent="b"), one(5, name="new")])
    assert found.by_rule() == {
        "gone": {"matched": 0, "only_then": 1, "only_now": 0, "would_fire": 0},
        "new": {"matched": 0, "only_then": 0, "only_now": 1, "would_fire": 1},
        "r": {"matched": 1, "only_then": 0, "only_now": 1, "would_fire": 2},
    }


def test_counts_by_the_hour_in_which_firings_begin() -> None:
    found = compare([one(0)], [one(1), one(3_599, agent="b"), one(3_600, agent="c"), one(7_200, name="new")])
    assert found.per_hour() == {"new": [(7_200 * S, 1)], "r": [(0, 2), (3_600 * S, 1)]}
    listed = found.as_json({}, most=1)
    assert [len(listed[kind]) for kind in ("matched", "only_then", "only_now")] == [1, 0, 1]


def test_moments() -> None:
    now = datetime(2026, 1, 8, tzinfo=UTC)
    begun_us = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1e6)
    assert moment_us("7d", now, "--since") == moment_us("2026-01-01", now, "--since") == begun_us
    assert moment_us("2026-01-01T01:00+01:00", now, "--since") == begun_us
    for wrong in ("soon", "2026-99-01"):
        with pytest.raises(SettingError, match="--since"):
            moment_us(wrong, now, "--since")
