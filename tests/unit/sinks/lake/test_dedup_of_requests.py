"""Sessions of single requests: forgotten after two hours, without a second try landing twice."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from sinks.lake.dedup import FORGET_REPEATABLE_AFTER_HOURS, HOUR, Lookup, Sessions

NOW = 480_000


def rows(session: str, hour: int) -> pl.DataFrame:
    return pl.DataFrame({"session_id": [session], "seq": [0], HOUR: [hour]})


class Lake:
    """What stands in files, and where it was looked for."""

    def __init__(self) -> None:
        self.asked: list[Lookup] = []

    def __call__(self, lookup: Lookup) -> Mapping[str, set[int]]:
        self.asked.append(lookup)
        return {session: {0} for session in lookup.sessions}


def test_they_leave_memory_after_two_hours_and_others_after_a_week() -> None:
    sessions, lake = Sessions(), Lake()
    for session in ("idem-1", "gw-1/a"):
        frame = rows(session, NOW - FORGET_REPEATABLE_AFTER_HOURS - 1)
        sessions.add(frame, sessions.judge(frame, lake))
    assert sessions.forget_idle(NOW) == 1
    assert list(sessions.landed) == ["gw-1/a"]
    # A late event of a session that is not known is certainly new: no file is read for it.
    assert sessions.judge(rows("another", NOW - 3), lake).duplicate is None
    assert lake.asked == []


def test_a_second_try_of_an_old_event_is_looked_for_in_the_hour_of_the_first() -> None:
    sessions, lake = Sessions(), Lake()
    old = rows("idem-1", NOW - 1_000)
    sessions.add(old, sessions.judge(old, lake))
    sessions.forget_idle(NOW)
    verdict = sessions.judge(old, lake)
    assert verdict.duplicate is not None
    assert verdict.duplicate.to_list() == [True]
    assert lake.asked == [Lookup(frozenset({"idem-1"}), NOW - 1_000, NOW - 1_000)]
