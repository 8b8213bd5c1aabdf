"""What a ping says of the next one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from producers.gateway.routes.ping import events_of
from streams.operators.arrays import SlotArrays
from streams.operators.heartbeat import FIELDS, HeartbeatConfig, Status, scan, update

NOW_S = 1_800_000_000.0
HOUR_S = 3_600.0


def beat_of(kind: str, *, next_s: float | None = None, now_s: float = NOW_S, run_id: str | None = None) -> Any:  # noqa: ANN401  # fields of the schema
    (beat,) = [each for each in events_of(kind, run_id, "", None, next_s, now_s) if each.topic == "fleet.heartbeats"]
    return beat.fields


@pytest.mark.parametrize(
    ("kind", "next_s", "promised_s"),
    [("success", 25 * HOUR_S, 25 * HOUR_S), ("start", 600.0, 600.0), ("start", None, HOUR_S), ("0", None, None)],
)
def test_the_next_ping_is_due_when_it_is_promised(kind: str, next_s: float | None, promised_s: float | None) -> None:
    fields = beat_of(kind, next_s=next_s)
    due_us = None if promised_s is None else round((NOW_S + promised_s) * 1e6)
    assert (fields.get("next_beat_by"), fields["interval_s"]) == (due_us, 60.0)


def test_a_log_line_is_no_beat() -> None:
    assert [each.topic for each in events_of("log", None, "half way", None, None, NOW_S)] == ["fleet.logs"]


def watched(pings: list[tuple[float, str, float | None]], until_s: float) -> Status:
    """What an agent is at `until_s` that pinged at these times; all in s since the first."""
    config, arrays, slots = HeartbeatConfig(), SlotArrays(FIELDS), np.zeros(1, np.int32)
    arrays.reserve(1)
    for at_s, kind, next_s in pings:
        fields = beat_of(kind, next_s=next_s, now_s=NOW_S + at_s)
        scan(config, arrays, 1, NOW_S + at_s)
        due_s = fields.get("next_beat_by", np.nan) / 1e6
        update(
            config, arrays, slots, np.array([NOW_S + at_s]), np.array([fields["interval_s"]]), np.array([due_s]),
            np.array([np.nan]), np.zeros(1, np.uint8),
        )  # fmt: skip
    scan(config, arrays, 1, NOW_S + until_s)
    return Status(arrays["status"][0])


def test_a_job_that_begins_and_ends_within_a_moment_is_missed_tomorrow_and_not_before() -> None:
    days = [
        each
        for day in range(3)
        for each in ((day * 24 * HOUR_S, "start", HOUR_S), (day * 24 * HOUR_S + 0.02, "0", 25 * HOUR_S))
    ]
    last_s = days[-1][0]
    assert watched(days, last_s + 24.9 * HOUR_S) == Status.ONLINE
    assert watched(days, last_s + 25.1 * HOUR_S) == Status.OFFLINE


def test_a_job_that_does_not_end_is_missed() -> None:
    assert watched([(0.0, "start", 600.0)], 590.0) == Status.ONLINE
    assert watched([(0.0, "start", 600.0)], 900.0) == Status.OFFLINE
