from __future__ import annotations

import datetime

import numpy as np
import polars as pl
import pytest

from streams.operators import heartbeat
from streams.operators.arrays import SlotArrays
from streams.operators.heartbeat import FIELDS, HeartbeatConfig, Reason, Said, Status, Transitions

START_S = 1_790_000_000.0
CONFIG = HeartbeatConfig()


class Agent:
    """One agent that beats when told to."""

    def __init__(self, interval_s: float = 10.0) -> None:
        self.arrays = SlotArrays(FIELDS, 1)
        self.interval_s = interval_s

    def beat(
        self, at_s: float, said: Said = Said.HEALTHY, progress: float = np.nan, promise_s: float = np.nan
    ) -> list[tuple[Status, Status, Reason]]:
        one = [np.array([x]) for x in (START_S + at_s, self.interval_s, START_S + promise_s, progress)]
        slot, code = np.zeros(1, np.int32), np.array([said], np.uint8)
        return _changes(heartbeat.update(CONFIG, self.arrays, slot, *one, code))

    def beats(self, count: int, begin_s: float = 0.0) -> float:
        """Regular beats; the time of the last one."""
        for i in range(count):
            self.beat(begin_s + i * self.interval_s)
        return begin_s + (count - 1) * self.interval_s

    def look(self, at_s: float) -> list[tuple[Status, Status, Reason]]:
        return _changes(heartbeat.scan(CONFIG, self.arrays, 1, START_S + at_s))


def _changes(found: Transitions) -> list[tuple[Status, Status, Reason]]:
    return [
        (Status(int(a)), Status(int(b)), Reason(int(c)))
        for a, b, c in zip(found.previous, found.status, found.reason, strict=True)
    ]


def test_the_first_beat_brings_an_agent_online() -> None:
    agent = Agent()
    assert agent.look(1e6) == []
    assert agent.beat(0) == [(Status.UNKNOWN, Status.ONLINE, Reason.FIRST_BEAT)]
    assert agent.beat(10) == []


def test_silence_is_late_then_offline_then_a_beat_brings_it_back() -> None:
    agent = Agent()
    last_s = agent.beats(5)
    assert agent.look(last_s + 15) == []
    assert agent.look(last_s + 30) == [(Status.ONLINE, Status.LATE, Reason.DEADLINE_MISSED)]
    assert agent.look(last_s + 31) == []
    assert agent.look(last_s + 60) == [(Status.LATE, Status.OFFLINE, Reason.DEADLINE_MISSED)]
    assert agent.look(last_s + 9999) == []
    assert agent.beat(last_s + 10_000) == [(Status.OFFLINE, Status.ONLINE, Reason.BEAT_LATE)]


def test_a_beat_in_time_after_late_is_beat_late() -> None:
    agent = Agent()
    last_s = agent.beats(5)
    agent.look(last_s + 30)
    assert agent.beat(last_s + 31) == [(Status.LATE, Status.ONLINE, Reason.BEAT_LATE)]


def test_a_new_agent_has_a_start_grace() -> None:
    fresh, old = Agent(1.0), Agent(1.0)
    fresh.beat(0)
    last_s = old.beats(5)
    assert fresh.look(5) == []
    assert old.look(last_s + 5) == [(Status.ONLINE, Status.OFFLINE, Reason.DEADLINE_MISSED)]


def test_a_promise_holds_the_deadline_and_teaches_nothing() -> None:
    agent = Agent()
    last_s = agent.beats(5)
    agent.beat(last_s + 10, promise_s=last_s + 1200)
    loss = agent.arrays["loss"][0]
    assert agent.look(last_s + 1200) == []
    agent.beat(last_s + 1190)
    assert agent.arrays["loss"][0] == loss
    assert agent.look(last_s + 1190 + 30) == [(Status.ONLINE, Status.LATE, Reason.DEADLINE_MISSED)]


def test_a_broken_promise_is_a_missed_deadline() -> None:
    agent = Agent()
    agent.beats(5)
    agent.beat(50, promise_s=600)
    assert agent.look(700) == [(Status.ONLINE, Status.OFFLINE, Reason.DEADLINE_MISSED)]


def test_a_failure_that_is_said_is_not_a_missed_deadline() -> None:
    agent = Agent()
    last_s = agent.beats(3)
    assert agent.beat(last_s + 10, Said.FAILED) == [(Status.ONLINE, Status.OFFLINE, Reason.EXPLICIT_FAILURE)]
    assert agent.look(1e6) == []
    assert agent.beat(last_s + 20) == [(Status.OFFLINE, Status.ONLINE, Reason.BEAT_LATE)]


def test_stopping_is_offline_on_purpose() -> None:
    agent = Agent()
    last_s = agent.beats(3)
    assert agent.beat(last_s + 1, Said.STOPPING) == [(Status.ONLINE, Status.STOPPED, Reason.STOPPED)]
    assert heartbeat.STATUS_TEXT[Status.STOPPED] == "offline"
    assert agent.look(1e6) == []
    loss = agent.arrays["loss"][0]
    assert agent.beat(9000) == [(Status.STOPPED, Status.ONLINE, Reason.BEAT)]
    assert agent.arrays["loss"][0] == loss
    assert agent.arrays["beats"][0] == 1


def test_beats_without_progress_are_degraded_until_it_moves() -> None:
    agent = Agent()
    changes = [agent.beat(10.0 * i, progress=7) for i in range(12)]
    assert changes[10] == [(Status.ONLINE, Status.DEGRADED, Reason.NO_PROGRESS)]
    assert agent.beat(120, progress=8) == [(Status.DEGRADED, Status.ONLINE, Reason.BEAT)]


def test_an_agent_that_calls_itself_degraded_is() -> None:
    agent = Agent()
    agent.beats(2)
    assert agent.beat(20, Said.DEGRADED) == [(Status.ONLINE, Status.DEGRADED, Reason.EXPLICIT_FAILURE)]
    assert agent.look(200) == [(Status.DEGRADED, Status.OFFLINE, Reason.DEADLINE_MISSED)]


def test_a_clock_that_was_set_back_begins_anew() -> None:
    agent = Agent()
    agent.beats(3, begin_s=3600)
    agent.beat(0)
    assert agent.arrays["last_s"][0] == START_S
    assert agent.look(2000) == [(Status.ONLINE, Status.OFFLINE, Reason.DEADLINE_MISSED)]


def test_an_undeclared_interval_is_taken_from_the_first_gap() -> None:
    agent = Agent(np.nan)
    for i in range(5):
        agent.beat(2.0 * i)
    assert agent.arrays["interval_s"][0] == pytest.approx(2.0, abs=0.01)


def test_an_interval_that_is_declared_anew_counts_at_once() -> None:
    agent = Agent(10.0)
    agent.beats(5)
    agent.interval_s = 60.0
    agent.beat(50)
    assert agent.arrays["interval_s"][0] == pytest.approx(60.0)
    assert agent.look(100) == []


def test_thirty_second_beats_with_jitter_and_loss_meet_the_bar() -> None:
    """10 % jitter, 1 % loss: mean timeout at most 4.5 intervals, at most one false suspicion an agent-year."""
    agents, rounds, interval_s = 500, 1200, 30.0
    rng = np.random.default_rng(8)
    arrays = SlotArrays(FIELDS, agents)
    timeouts, false = [], 0
    for i in range(rounds):
        here = np.flatnonzero(rng.random(agents) > 0.01).astype(np.int32)
        at_s = START_S + i * interval_s + rng.normal(0, 0.1 * interval_s, here.size)
        false += int((arrays["offline_at_s"][here] < at_s).sum())
        nothing = np.full(here.size, np.nan)
        declared = np.full(here.size, interval_s)
        heartbeat.update(CONFIG, arrays, here, at_s, declared, nothing, nothing, np.zeros(here.size, np.uint8))
        if i > 200:
            timeouts.append(np.mean(arrays["offline_at_s"][here] - at_s) / interval_s)
    assert np.mean(timeouts) <= 4.5
    assert false == 0


def test_a_frame_becomes_columns() -> None:
    at = datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC)
    frame = pl.DataFrame(
        {
            "timestamp": [at, at, at],
            "interval_s": [5.0, None, 5.0],
            "next_beat_by": [None, at + datetime.timedelta(minutes=20), None],
            "progress": [3, None, 4],
            "status": ["healthy", "stopping", "odd"],
        }
    ).with_columns(pl.col("timestamp", "next_beat_by").cast(pl.Datetime("us", "UTC")))
    beats = heartbeat.beats_of(frame)
    assert beats.event_time_s.tolist() == [at.timestamp()] * 3
    assert beats.next_beat_by_s[1] == at.timestamp() + 1200
    assert np.isnan(beats.next_beat_by_s[0])
    assert beats.said.tolist() == [Said.HEALTHY, Said.STOPPING, Said.HEALTHY]
    assert np.isnan(beats.interval_s[1])
    assert beats.progress[[0, 2]].tolist() == [3.0, 4.0]


def test_gaps_tell_how_many_beats_they_lack() -> None:
    arrays, missed = SlotArrays(FIELDS, 1), np.full(6, np.nan)
    time_s = 1_790_000_000.0 + np.array([0.0, 5.0, 20.0, 15.0, 60.0, 65.0])
    promised_s = np.array([np.nan, np.nan, time_s[4], np.nan, np.nan, np.nan])
    intervals, progress = np.full(6, 5.0), np.full(6, np.nan)
    slots, said = np.zeros(6, np.int32), np.zeros(6, np.uint8)
    heartbeat.update(
        HeartbeatConfig(), arrays, slots, time_s, intervals, promised_s, progress, said, missed
    )  # fmt: skip
    np.testing.assert_array_equal(missed, [np.nan, 0.0, 2.0, np.nan, np.nan, 0.0])
