"""How far a backtest is, and how long it still takes."""

from __future__ import annotations

from dataclasses import replace

from infra.runtime.clock import ManualClock
from streams.backtest.cli import progress_line
from streams.backtest.run import Progress, Telling

HALF = Progress(rows=300, of_rows=600, seconds=20.0, at_us=1_790_000_000_000_000, alerts=2, left_s=20.0)


def test_what_is_left_follows_from_the_pace_since_rows_came() -> None:
    heard: list[Progress] = []
    clock = ManualClock(0.0)
    telling = Telling(heard.append, 1.0, 1_000, clock.monotonic_s)
    telling.begin(0)
    for after_s, rows in [(60.0, 10), (0.5, 50), (0.5, 110), (0.5, 160), (0.5, 210), (1.0, 1_100)]:
        clock.advance(after_s)
        telling.step(rows, 0, 0)
    telling.step(1_100, 0, 0, ended=True)
    assert [(each.rows, each.left_s, each.ended) for each in heard] == [
        (0, None, False),
        (10, None, False),  # all of the minute went by with reading
        (110, 8.9, False),
        (210, 7.9, False),
        (1_100, 0.0, False),
        (1_100, 0.0, True),
    ]
    assert [round(each.share, 2) for each in heard] == [0.0, 0.01, 0.11, 0.21, 1.0, 1.0]
    assert replace(HALF, ended=True).share == 1.0


def test_it_is_told_in_words() -> None:
    assert progress_line(HALF) == " 50% up to 2026-09-21 14:13 UTC: 300 events, 15/s, 2 alerts, about 20 s left"
    assert progress_line(replace(HALF, left_s=1_200.0)).endswith(", about 20 min left")
    assert progress_line(replace(HALF, left_s=20_000.0)).endswith(", about 5.6 h left")
    assert progress_line(replace(HALF, left_s=None)).endswith("15/s, 2 alerts")
    assert progress_line(replace(HALF, left_s=0.0, ended=True)).endswith("2 alerts")
